"""Report of an evaluation: one self-contained HTML file, pictures included."""

from __future__ import annotations

import html
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from photoflow import __version__
from photoflow.evaluation.comparison import Evaluation, Figure
from photoflow.evaluation.holes import KINDS
from photoflow.evaluation.plots import lines
from photoflow.evaluation.scores import MOST_DECIBELS, Scores
from photoflow.io.atomic import check_directory, write_bytes

# For each metric: its title, which direction is better (+1 larger, -1 smaller, 0 neither), and its decimals.
METRICS = {
    "psnr": ("PSNR, dB", 1, 2),
    "psnr_visible": ("PSNR where visible, dB", 1, 2),
    "psnr_holes": ("PSNR in holes, dB", 1, 2),
    "ssim": ("SSIM", 1, 4),
    "l1": ("L1, colours 0…1", -1, 4),
    "l1_paper": ("L1, colours −1…1", -1, 4),
    "ie": ("IE, of 255", -1, 2),
    "epe": ("EPE, px", -1, 3),
    "epe_visible": ("EPE where visible, px", -1, 3),
    "epe_occluded": ("EPE where occluded, px", -1, 2),
    "above_1px": ("share above 1 px", -1, 4),
    "above_3px": ("share above 3 px", -1, 4),
    "above_5px": ("share above 5 px", -1, 4),
    "background_psnr": ("background PSNR, dB", 1, 2),
    "background_changed": ("background changed, share", -1, 4),
    "smoothness": ("variance of motion, px²", 0, 3),
    "seam_intensity": ("seam, intensity, of the largest step", 0, 3),
    "seam_motion": ("seam, motion, of the largest step", 0, 3),
    "clip_t": ("CLIP-T (%)", 1, 1),
    "clip_i": ("CLIP-I (%)", 1, 1),
    "dino": ("DINO (%)", 1, 1),
    "face_similarity": ("face similarity (%)", 1, 1),
    "face_diversity": ("face diversity (%)", 1, 1),
    "fid": ("FID", -1, 2),
    "fid_begin": ("FID of the first 30 frames", -1, 2),
    "fid_end": ("FID of the last 30 frames", -1, 2),
    "kid": ("KID ×100", -1, 3),
    "fvd": ("FVD, 16 frames", -1, 2),
    "fvd32": ("FVD, 32 frames", -1, 2),
    "dtfvd": ("DTFVD, 16 frames", -1, 2),
    "dtfvd_begin": ("DTFVD of the first 16 frames", -1, 2),
    "dtfvd_end": ("DTFVD of the last 16 frames", -1, 2),
    "dtfvd32": ("DTFVD, 32 frames", -1, 2),
    "spectrum": ("energy spectrum, decades off", -1, 3),
    "moved": ("displacement, root mean square, px", 0, 3),
    "seconds": ("seconds", 0, 3),
    "speed": ("speed (s)", -1, 1),
    "seconds_frame": ("seconds a frame", 0, 3),
    "memory": ("peak memory, MiB", 0, 0),
}
for _kind in KINDS:
    METRICS |= {
        f"{_kind}_psnr": (f"{_kind}: PSNR, dB", 1, 2),
        f"{_kind}_ssim": (f"{_kind}: SSIM", 1, 4),
        f"{_kind}_hole": (f"{_kind}: PSNR in the holes, dB", 1, 2),
        f"{_kind}_warp": (f"{_kind}: E_warp in the holes, ×10⁻²", -1, 3),
    }
_COSTS = ("seconds", "seconds_frame", "memory")


def write_report(folder: str | os.PathLike[str], evaluation: Evaluation) -> Path:
    """Write `TASK.html` into a folder, which is created if it does not exist.

    Returns:
        The path of the page.

    Raises:
        InputError: the page cannot be written.
    """
    target = check_directory(folder)
    target.mkdir(exist_ok=True)
    write_bytes(target / f"{evaluation.task}.html", page(evaluation).encode())
    return target / f"{evaluation.task}.html"


def page(evaluation: Evaluation) -> str:
    """Return the whole page as HTML."""
    samples = evaluation.scores.samples
    about = f"{samples} sample{'s' * (samples != 1)} of {evaluation.data}; photoflow {__version__}"
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in evaluation.notes)
    figures = [*per_sample(evaluation.scores), *evaluation.figures]
    return (
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>photoflow: {html.escape(evaluation.task)}</title><style>{_STYLE}</style></head><body><main>\n"
        f"<h1>Evaluation: {html.escape(evaluation.task)}</h1>\n<p>{html.escape(about)}</p>\n"
        + (f"<ul>{notes}</ul>\n" if notes else "")
        + table(evaluation.scores.means())
        + _described(evaluation)
        + "\n".join(_figure(figure) for figure in figures)
        + "\n</main></body></html>\n"
    )


def table(means: Mapping[str, Mapping[str, float | None]]) -> str:
    """Return a table of methods by metrics as HTML, with the best value of each metric marked."""
    names = list(dict.fromkeys(name for own in means.values() for name in own))
    head = "".join(f"<th>{html.escape(label(name))}</th>" for name in names)
    rows = []
    for method, own in means.items():
        cells = (
            f"<td{' class=best' if is_best(means, method, name) else ''}>{number(name, own.get(name))}</td>"
            for name in names
        )
        rows.append(f"<tr><th>{html.escape(method)}</th>{''.join(cells)}</tr>")
    return (
        f'<div class="scroll"><table><thead><tr><th>method</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>\n"
    )


def label(metric: str) -> str:
    """Return the title of a metric, with an arrow in the better direction."""
    text, better, _ = METRICS.get(metric, (metric, 0, 3))
    return text + {1: " ↑", -1: " ↓", 0: ""}[better]


def number(metric: str, value: float | None) -> str:
    """Format a mean with the decimals of its metric; – for None."""
    decimals = METRICS.get(metric, (metric, 0, 3))[2]
    return "–" if value is None else f"{value:.{decimals}f}"


def is_best(means: Mapping[str, Mapping[str, float | None]], method: str, metric: str) -> bool:
    """Return whether a method is the best in a metric; False if all methods are equal."""
    better = METRICS.get(metric, (metric, 0, 3))[1]
    shown = {name: own[metric] for name, own in means.items() if own.get(metric) is not None}
    known = {name: better * value for name, value in shown.items() if value is not None}
    if not better or method not in known or len(set(known.values())) < 2:
        return False
    return known[method] == max(known.values())


def per_sample(scores: Scores) -> Sequence[Figure]:
    """Draw the curve of each metric over the samples; no figure for a single sample, or for scores of sets."""
    if scores.samples < 2 or scores.together is not None:
        return []
    metrics = dict.fromkeys(name for own in scores.values.values() for name in own)
    panels = []
    for metric in metrics:
        across = range(1, scores.samples + 1)
        curves = {method: (across, list(values)) for method, values in scores.series(metric).items()}
        known = [value for _, values in curves.values() for value in values if math.isfinite(value)]
        if metric not in _COSTS and known:
            panels.append(("", lines(curves, "sample", label(metric))))
    return [Figure("Metrics of each sample", "In the order of the data.", panels)]


def _described(evaluation: Evaluation) -> str:
    known = {name: text for name, text in evaluation.methods.items() if name in evaluation.scores.values}
    items = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>" for name, text in known.items())
    reading = (
        "Means over the samples. Arrows point to what is better; a picture without any error counts as "
        f"{MOST_DECIBELS:.0f} dB; – stands where there is no number."
    )
    if any("seconds" in own for own in evaluation.scores.values.values()):
        reading += " Seconds are those of the method alone, for one sample."
    return f"<dl>{items}</dl>\n<p>{reading}</p>\n"


def _figure(figure: Figure) -> str:
    panels = "".join(
        f"<figure>{body}" + (f"<figcaption>{html.escape(name)}</figcaption>" if name else "") + "</figure>"
        for name, body in figure.panels
    )
    title = f"<h2>{html.escape(figure.title)}</h2>" if figure.title else ""
    caption = f"<p>{html.escape(figure.caption)}</p>" if figure.caption else ""
    return f'<section>{title}{caption}<div class="panels n{figure.columns}">{panels}</div></section>'


_STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #1b1f24; --dim: #59636e; --rule: #d5dae0; --mark: #e3f0e6;
  --c0: #0b62d6; --c1: #d1690a; --c2: #1a8a4b; --c3: #8a3ffc; --c4: #c4245f; --c5: #0e8a93; --c6: #7a6a00;
  --c7: #6b7280 }
@media (prefers-color-scheme: dark) { :root { --back: #14171b; --text: #e6e9ed; --dim: #9aa4b0; --rule: #343b44;
  --mark: #1f3a28; --c0: #6cb2ff; --c1: #ffab5c; --c2: #5fd38d; --c3: #c4a1ff; --c4: #ff86a8; --c5: #4fd0da;
  --c6: #d9c54a; --c7: #a5adb8 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--back); color: var(--text); font: 15px/1.5 system-ui, sans-serif }
main { max-width: 1240px; margin: 0 auto; padding: 24px 20px 60px }
h1 { font-size: 26px; margin: 0 0 4px } h2 { font-size: 19px; margin: 36px 0 4px }
p, dd, ul { color: var(--dim); margin: 0 0 12px }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 14px }
dt { font-weight: 600 } dd { margin: 0 }
.scroll { overflow-x: auto } table { border-collapse: collapse; margin: 14px 0; font-variant-numeric: tabular-nums }
th, td { padding: 6px 12px; border-bottom: 1px solid var(--rule); text-align: right } tbody th, thead th:first-child
  { text-align: left; white-space: nowrap } thead th { color: var(--dim); font-weight: 500; font-size: 13px;
  vertical-align: bottom } .best { background: var(--mark); font-weight: 650 }
.panels { display: grid; gap: 14px; align-items: start; margin-bottom: 14px }
.n1 { grid-template-columns: 1fr } .n2 { grid-template-columns: repeat(2, 1fr) }
.n3 { grid-template-columns: repeat(3, 1fr) } .n4 { grid-template-columns: repeat(4, 1fr) }
@media (max-width: 760px) { .n2, .n3, .n4 { grid-template-columns: repeat(2, 1fr) } }
figure { margin: 0; min-width: 0 } figcaption { font-size: 13px; color: var(--dim) }
img { display: block; max-width: 100%; height: auto; border-radius: 4px; border: 1px solid var(--rule) }
.wheel { width: 96px } .wheel img { border: 0 }
figure > img { width: 100% }
svg { display: block; width: 100%; height: auto } svg text { fill: var(--dim); font: 12px system-ui, sans-serif }
.grid { stroke: var(--rule); fill: none }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; font-size: 13px; padding-left: 40px }
.legend i { display: inline-block; width: 18px; height: 3px; vertical-align: middle; margin-right: 6px }
""" + "".join(
    f".c{number} {{ stroke: var(--c{number}); {'stroke-dasharray: 7 4;' * (number % 2)} }}"
    f" i.c{number} {{ background: var(--c{number}) }}"
    f" .bar.c{number} {{ fill: var(--c{number}); stroke: none }}\n"
    for number in range(8)
)
