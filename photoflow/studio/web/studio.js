// The studio: makes the parts of the page and tells them of what changes.

import { document as fetched } from "photoflow/api.js";
import { AimTool, ArrowTool } from "photoflow/arrowtool.js";
import { ClipPanel } from "photoflow/clip.js";
import { byId, refill } from "photoflow/elements.js";
import { ExportPanel } from "photoflow/export.js";
import { Head } from "photoflow/head.js";
import { HoldTool, PivotTool } from "photoflow/holdtools.js";
import { Keeper } from "photoflow/keeping.js";
import { Keys } from "photoflow/keys.js";
import { LayersPanel } from "photoflow/layers.js";
import { Lenses } from "photoflow/lenses.js";
import { Messages } from "photoflow/messages.js";
import { MotionPanel } from "photoflow/motions.js";
import { Opening } from "photoflow/opening.js";
import { PathTool } from "photoflow/pathtool.js";
import { Preview } from "photoflow/preview.js";
import { PullTool } from "photoflow/pulltool.js";
import { AddTool, BrushTool, PointTool } from "photoflow/shapetools.js";
import { StageArea } from "photoflow/stagearea.js";
import { State } from "photoflow/state.js";
import { Toolbar } from "photoflow/toolbar.js";
import { Transport } from "photoflow/transport.js";

/** @typedef {import("photoflow/tool.js").Tool} Tool */

const HINT = "Point at a setting to read what it does. A double click on its slider brings its default back.";
const BRUSH = 0.04; // size of a brush at first, of the photo's longest side

const state = new State();
const messages = new Messages();
state.onproblem = (/** @type {string} */ line) => messages.say(line, true);
const preview = new Preview(state, () => tools[state.tool].still);
const brush = { size: BRUSH };
/** @type {Record<string, Tool>} */
const tools = Object.fromEntries(
  [
    new PullTool(state, preview), new AddTool(state, brush), new PointTool(state), new BrushTool(state, false, brush),
    new BrushTool(state, true, brush), new PathTool(state), new ArrowTool(state), new HoldTool(state, "free"),
    new HoldTool(state, "pinned"), new PivotTool(state), new AimTool(state),
  ].map((tool) => [tool.name, tool]),
); // prettier-ignore
const area = new StageArea(state, tools);
const lenses = new Lenses(state, preview);
const transport = new Transport(state, preview, lenses);
const keys = new Keys(state, tools, area, transport);
const opening = new Opening(state);
const keeper = new Keeper();
const parts = [
  new Toolbar(state, tools, area, preview), opening, new Head(state, opening, keys), area, preview, transport, lenses,
  new LayersPanel(state, byId("layers")), new MotionPanel(state, byId("motion"), area), new ClipPanel(state, byId("clip-controls")),
  new ExportPanel(state, byId("export"), (line) => messages.say(line)),
]; // prettier-ignore

let kept = "";
let telling = false;
state.listen(() => {
  if (telling) return; // once for all that changes in a turn
  telling = true;
  queueMicrotask(() => {
    telling = false;
    update();
  });
});
preview.onchange = () => state.tell();

function update() {
  const { work } = state;
  if (document.body.dataset.view !== state.view) byId("panels").scrollTop = 0;
  document.body.dataset.view = state.view;
  document.body.classList.toggle("open", work !== null);
  for (const part of parts) part.update();
  const now = work ? `${work.id} ${work.revision}` : "";
  if (work && now !== kept) keeper.soon(work);
  kept = now;
}

// The hint of the control that has the pointer or the focus, in a place of its own: nothing moves to make room for it.
const side = byId("side");
for (const name of ["pointerover", "focusin"]) {
  side.addEventListener(name, (event) => {
    const about = event.target instanceof Element ? event.target.closest("[data-hint]") : null;
    refill(byId("hint"), about?.getAttribute("data-hint") ?? HINT);
  });
}

refill(byId("hint"), HINT);
update();
opening.begin();
state.catalogue = await fetched("/api/motions");
state.tell();
