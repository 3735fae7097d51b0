"""Every edit does what it says, and refuses what it cannot do with one line."""

import cv2
import numpy as np
import pytest

from photoflow import InputError, motion
from photoflow.stage.judgement import motion_for
from photoflow.studio import edits
from photoflow.studio.works import CAMERA, Settings

DISC = "subject-1"


def edit(work, what, **said):
    edits.apply(work, {"edit": what, **said})
    return work.state


def mask(work, name=DISC):
    return work.state.stage.layer(name).mask > 127


def test_a_photo_moves_by_itself_at_first(work):
    assert work.state.problem() is None
    assert [layer.name for layer in work.state.stage.layers] == [DISC]
    assert work.state.motions[CAMERA] == (motion.Camera(push=0.05),)


def test_add_by_box_and_by_stroke(work):
    edit(work, "add", name="twin", box=[100, 50, 100, 100])
    state = edit(work, "add", strokes=[[[120, 100], [180, 100]]], not_points=[[20, 20]], kind="plant")
    assert [layer.name for layer in state.stage.layers] == ["subject-2", "twin", DISC]  # the last one is in front
    assert state.motions["subject-2"] == (motion.Spectral("plant", wind=0.4),)
    assert mask(work, "subject-2")[100, 150] and not mask(work, "subject-2")[20, 20]
    assert state.words == "Add subject-2"


def test_add_a_region_behind_all(work):
    state = edit(work, "add", points=[[20, 180]], region=True, kind="water")
    assert [layer.name for layer in state.stage.layers] == [DISC, "region-1"]
    assert state.stage.layers[1].region


def test_what_is_said_to_flow_flows(work):
    """Whatever it looks like: a person said so, and something is to be seen of it."""
    state = edit(work, "add", points=[[20, 180]], region=True)
    below = state.stage.layers[-1]
    assert below.kind.name in ("water", "sky", "smoke") and state.motions[below.name]
    state = edit(work, "kind", layer=DISC, kind="water")
    assert state.stage.layer(DISC).region and state.motions[DISC] == (motion.Water(),)
    state = edit(work, "kind", layer=DISC, kind="sky")
    assert state.motions[DISC][0].name == "drift"
    state = edit(work, "kind", layer=DISC, kind="person")
    assert not state.stage.layer(DISC).region and state.motions[DISC][0].name == "breathe"


def test_refine(work):
    before = mask(work)
    edit(work, "refine", layer=DISC, remove=[[[110, 100], [190, 100]]])
    assert before[100, 150] and not mask(work)[100, 150]
    edit(work, "refine", layer=DISC, add=[[150, 100]])
    assert mask(work)[100, 150]


def test_paint_and_erase_are_exact(work):
    before = mask(work)
    edit(work, "paint", layer=DISC, strokes=[[[20, 20], [60, 20]]], size=10, erase=False)
    painted = mask(work) & ~before
    wanted = cv2.line(np.zeros((200, 320), np.uint8), (20, 20), (60, 20), 1, 10) > 0
    assert (painted & wanted).sum() > 0.95 * wanted.sum()
    assert painted.sum() < 1.2 * wanted.sum()
    edit(work, "paint", layer=DISC, strokes=[[40, 20]], size=200, erase=True)
    assert not (mask(work) & wanted).any()


def test_switch(work):
    assert edit(work, "switch", layer=DISC, on=False).off == {DISC}
    assert edit(work, "switch", layer=DISC, on=True).off == frozenset()


def test_remove_takes_its_motion_away(work):
    edit(work, "motion", layer=DISC, motions=[{"type": "sway"}])
    edit(work, "switch", layer=DISC, on=False)
    state = edit(work, "remove", layer=DISC)
    assert state.stage.layers == () and DISC not in state.motions and not state.off


def test_rename_keeps_motion_switch_and_what_was_computed(work):
    edit(work, "motion", layer=DISC, motions=[{"type": "sway"}])
    edit(work, "switch", layer=DISC, on=False)
    before = work.state.stage.layer(DISC)
    before.cut_out()
    state = edit(work, "rename", layer=DISC, name="sun")
    assert state.motions["sun"] == (motion.Sway(),) and DISC not in state.motions and state.off == {"sun"}
    assert state.stage.layer("sun").levels is before.levels
    assert edit(work, "rename", layer="sun", name="sun").stage.layer("sun") is state.stage.layer("sun")


def test_kind_chooses_anew_what_nobody_said(work):
    state = edit(work, "kind", layer=DISC, kind="plant")
    assert state.stage.layer(DISC).kind.name == "plant" and state.stage.layer(DISC).kind.sure == 1
    assert state.motions[DISC] == (motion_for(state.stage.layer(DISC)),)
    edit(work, "motion", layer=DISC, motions=[{"type": "sway"}])
    assert edit(work, "kind", layer=DISC, kind="cloth").motions[DISC] == (motion.Sway(),)


def test_arrange(work):
    edit(work, "add", name="twin", box=[100, 50, 100, 100])
    state = edit(work, "arrange", layers=[DISC, "twin"])
    assert [layer.name for layer in state.stage.layers] == [DISC, "twin"]


def test_hold(work):
    state = edit(work, "hold", layer=DISC, free=[[150, 70]], pinned=[[[130, 130], [170, 130]]])
    assert state.stage.layer(DISC).free == (((150, 70),),)
    assert state.stage.layer(DISC).pinned == (((130, 130), (170, 130)),)
    state = edit(work, "hold", layer=DISC, pinned=[])  # what is not said stays
    assert state.stage.layer(DISC).free == (((150, 70),),) and state.stage.layer(DISC).pinned == ()


def test_motion_of_a_layer_and_of_the_camera(work):
    said = [motion.Sway(strength=0.4).to_dict(), {"type": "float"}]
    state = edit(work, "motion", layer=DISC, motions=said)
    assert state.motions[DISC] == (motion.Sway(strength=0.4), motion.Float())
    assert state.words == f"Sway and Hover of {DISC}"
    state = edit(work, "motion", layer="", motions=[{"type": "camera", "pan": 0.1}])
    assert state.motions[CAMERA] == (motion.Camera(pan=0.1),)
    assert edit(work, "motion", layer="", motions=[]).words == "Stillness"


def test_auto(work):
    first = work.state
    edit(work, "motion", layer="", motions=[])
    edit(work, "motion", layer=DISC, motions=[{"type": "sway"}])
    state = edit(work, "auto", layer=DISC)
    assert state.motions[DISC] == first.motions[DISC] and state.motions[CAMERA] == ()
    assert edit(work, "auto").motions == first.motions


def test_settings(work):
    assert edit(work, "settings", seconds=2, loop=False).settings == Settings(2.0, 30.0, False)
    assert edit(work, "settings", fps=12.5).settings == Settings(2.0, 12.5, False)


def test_restore_what_was_kept(work):
    document = {
        "motion": {DISC: [{"type": "sway"}], "": []}, "off": [DISC],
        "settings": {"seconds": 2, "fps": 10, "loop": True},
    }  # fmt: skip
    state = edit(work, "restore", document=document)
    assert state.motions == {DISC: (motion.Sway(),), CAMERA: ()}
    assert state.settings == Settings(2.0, 10.0, True) and state.off == {DISC}


def test_an_edit_changes_nothing_of_the_states_before(work):
    first, layers = work.state, work.state.stage.layers
    edit(work, "paint", layer=DISC, strokes=[[20, 20]], size=10)
    edit(work, "remove", layer=DISC)
    assert first.stage.layers is layers
    edits.apply(work, {"edit": "undo"})
    edits.apply(work, {"edit": "undo"})
    assert work.state is first
    edits.apply(work, {"edit": "redo"})
    assert work.state.words == f"Paint {DISC}"


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (3, 'expected an object with "edit"'),
        ({"edit": 3}, 'expected an object with "edit"'),
        ({"edit": "explode"}, "edit: expected one of add, refine, "),
        ({"edit": "undo"}, "undo: there is nothing to undo"),
        ({"edit": "redo", "layer": DISC}, "redo: expected nothing with it, got 'layer'"),
        ({"edit": "auto", "key": 3}, "key: expected at most 200 characters, got 3"),
        ({"edit": "auto", "key": "x" * 201}, "key: expected at most 200 characters"),
        ({"edit": "remove"}, "layer: expected its name, got None"),
        ({"edit": "remove", "layer": 1}, "layer: expected its name, got 1"),
        ({"edit": "remove", "layer": "cat"}, "layer 'cat': expected one of subject-1"),
        ({"edit": "remove", "layer": DISC, "points": []}, "remove: expected layer with it, got 'points'"),
        ({"edit": "switch", "layer": DISC}, "on: expected true or false, got None"),
        ({"edit": "switch", "layer": DISC, "on": 1}, "on: expected true or false, got 1"),
        ({"edit": "add"}, "subject: expected a mask, a box or a point on it"),
        ({"edit": "add", "points": 3}, "points: expected a list, got 3"),
        ({"edit": "add", "points": [[1e9, 1]]}, "point: expected X,Y inside the 320x200 picture"),
        ({"edit": "add", "points": [["a", "b"]]}, "point: expected X,Y in pixels"),
        ({"edit": "add", "points": [{"x": 1}]}, "expected X,Y in pixels"),
        ({"edit": "add", "points": [3]}, "expected X,Y in pixels"),
        ({"edit": "add", "box": [0, 0, 900, 10]}, "box: expected X,Y,W,H inside the 320x200 picture"),
        ({"edit": "add", "box": [1, 1, 50, 50], "name": "../x"}, "expected a name of letters, digits"),
        ({"edit": "add", "box": [1, 1, 50, 50], "name": DISC}, "there is one of this name"),
        ({"edit": "add", "box": [1, 1, 50, 50], "kind": "cat"}, "kind: expected one of person, "),
        ({"edit": "add", "box": [1, 1, 50, 50], "region": "yes"}, "region: expected true or false"),
        ({"edit": "add", "mask": "/etc/passwd"}, "add: expected name, points"),
        ({"edit": "refine", "layer": DISC}, "expected points or strokes to add or to remove"),
        ({"edit": "refine", "layer": DISC, "add": "here"}, "add: expected a list"),
        ({"edit": "paint", "layer": DISC, "size": 9}, "stroke: expected at least one X,Y, got none"),
        ({"edit": "paint", "layer": DISC, "strokes": [[9, 9]]}, "size: expected the diameter of a brush"),
        ({"edit": "paint", "layer": DISC, "strokes": [[9, 9]], "size": True}, "size: expected the diameter"),
        ({"edit": "paint", "layer": DISC, "strokes": [[9, 900]], "size": 9}, "inside the 320x200 picture"),
        ({"edit": "paint", "layer": DISC, "strokes": [[150, 100]], "size": 400, "erase": True}, "nothing is left"),
        ({"edit": "rename", "layer": DISC}, "expected a name of letters"),
        ({"edit": "rename", "layer": DISC, "name": "a b"}, "expected a name of letters"),
        ({"edit": "kind", "layer": DISC, "kind": []}, "kind: expected one of person"),
        ({"edit": "arrange", "layers": []}, "expected each of subject-1 once"),
        ({"edit": "arrange", "layers": [{}]}, "expected the names of all layers"),
        ({"edit": "hold", "layer": DISC}, "expected points or strokes that are free or pinned"),
        ({"edit": "hold", "layer": DISC, "free": [[1, 1]]}, "free: expected points on subject-1, got 1,1"),
        ({"edit": "motion", "layer": "cat", "motions": []}, "layer 'cat'"),
        ({"edit": "motion", "layer": DISC, "motions": {}}, "motions: expected a list"),
        ({"edit": "motion", "layer": DISC, "motions": ["sway"]}, "unknown motion 'sway'"),
        ({"edit": "motion", "layer": DISC, "motions": [{"type": "sway"}] * 17}, "at most 16 of a layer, got 17"),
        ({"edit": "motion", "layer": DISC, "motions": [{"type": "sway", "strength": 9}]}, "sway: strength expects"),
        ({"edit": "motion", "layer": DISC, "motions": [{"type": "auto"}]}, "expected motions one by one"),
        ({"edit": "motion", "layer": DISC, "motions": [{"type": "sum", "motions": [{"type": "sway"}]}]}, "one by one"),
        ({"edit": "motion", "layer": DISC, "motions": [{"type": "camera"}]}, "expected it without a layer"),
        ({"edit": "motion", "layer": "", "motions": [{"type": "sway"}]}, "camera: it moves the whole picture"),
        ({"edit": "motion", "layer": DISC, "motions": [{"type": "spectral", "source": "/a.mp4"}]}, "reads no file"),
        (
            {"edit": "motion", "layer": DISC,
             "motions": [{"type": "poke", "x": 1, "y": 1, "dx": 1, "dy": 1, "like": "/etc/a.safetensors"}]},
            "reads no file",
        ),
        ({"edit": "settings", "seconds": 61}, "seconds: expected a number above 0 and at most 60, got 61"),
        ({"edit": "settings", "fps": "30"}, "fps: expected a number above 0 and at most 60, got '30'"),
        ({"edit": "settings", "fps": True}, "fps: expected a number"),
        ({"edit": "settings", "loop": 1}, "loop: expected true or false"),
        ({"edit": "settings", "seconds": 0.01, "fps": 1}, "make no frame"),
        ({"edit": "restore"}, "restore: expected a document"),
        ({"edit": "restore", "document": {"motion": {"cat": []}}}, "motions by the names of the layers"),
        ({"edit": "restore", "document": {"off": ["cat"]}}, "names of layers that are off"),
        ({"edit": "restore", "document": {"settings": []}}, "expected settings with"),
        ({"edit": "restore", "document": {"settings": {"speed": 2}}}, "settings: expected seconds, fps, loop with it"),
        ({"edit": "restore", "document": {"motion": {DISC: [{"type": "poke"}]}}}, "poke: parameter 'x' is missing"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_and_changes_nothing(work, said, line):
    before = work.state
    with pytest.raises(InputError) as error:
        edits.apply(work, said)
    assert line in str(error.value) and "\n" not in str(error.value)
    assert work.state is before and work.revision == 1
