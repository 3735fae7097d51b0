"""Time and memory of animating a clip.

Each case runs in its own process, so that imports count and the peak memory is that of the case
alone. The baseline of rendering is the encoder alone, which writes the same number of ready-made
frames in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results"

# Run in its own process; prints one JSON line.
CHILD = """
import json, resource, sys, time
begun = time.perf_counter()
photo, output, seconds, size, selection, motion = json.loads(sys.argv[1])
from photoflow import Animator, motion as motions
clip = Animator(offline=True).animate(photo, motions.parse(motion), seconds=seconds, size=size, **selection)
first = clip[0]
planned = time.perf_counter()
clip.save(output)
done = time.perf_counter()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps(dict(width=clip.width, height=clip.height, frames=len(clip), before_first_frame_s=planned - begun,
                      render_encode_s=done - planned, peak_mb=peak)))
"""

ENCODER = """
import json, sys, time
import numpy as np
from photoflow.io import VideoWriter
width, height, frames, output = json.loads(sys.argv[1])
y, x = np.mgrid[0:height, 0:width]
stills = [np.stack([(x + 3 * i) % 256, (y + i) % 256, (x + y) % 256], axis=-1).astype(np.uint8) for i in range(8)]
begun = time.perf_counter()
with VideoWriter(output, width, height, 30) as out:
    for i in range(frames):
        out.write(stills[i % 8])
print(json.dumps(dict(encode_s=time.perf_counter() - begun)))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photo", nargs="?", help="a photo with a subject; by default scikit-image's astronaut")
    parser.add_argument("--motion", default="sway", help="as for photoflow animate")
    parser.add_argument("--box", help="X,Y,W,H around the subject, in the photo's pixels")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path, default=RESULTS / "animate.json")
    options = parser.parse_args()
    photo = options.photo or astronaut()
    selection = {"box": [float(v) for v in options.box.split(",")]} if options.box else {}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, seconds, make in (
            ("1280 px, 4 s", 4, lambda: resized(photo, folder, 1280)),
            ("1280 px, 60 s", 60, lambda: resized(photo, folder, 1280)),
            ("24 megapixels to 1920 px, 4 s", 4, lambda: resized(photo, folder, 6000)),
            ("24 megapixels kept, 1 s", 1, lambda: resized(photo, folder, 6000)),
        ):
            path, scale = make()
            chosen = {k: [v * scale for v in values] for k, values in selection.items()}
            size = "original" if "kept" in name else None
            call = [path, f"{folder}/clip.mp4", seconds, size, chosen, options.motion]
            runs = [child(CHILD, call) for _ in range(options.runs if seconds == 4 else 1)]
            row = {"case": name, **{key: statistics.median(run[key] for run in runs) for key in runs[0]}}
            shape = [int(row[key]) for key in ("width", "height", "frames")]
            encode = child(ENCODER, [*shape, f"{folder}/encode.mp4"])
            row["render_encode_over_encode"] = row["render_encode_s"] / encode["encode_s"]
            row["times_real_time"] = row["frames"] / 30 / row["render_encode_s"]
            rows.append(row)
            print(json.dumps(row), flush=True)
    document = {"machine": machine(), "photo": Path(photo).name, "motion": options.motion, "rows": rows}
    options.json.write_text(json.dumps(document, indent=1) + "\n")
    options.json.with_suffix(".md").write_text(table(document))


def child(code: str, arguments: list[object]) -> dict[str, float]:
    """Run `code` in its own process and return the numbers that it prints as its last line, JSON."""
    done = subprocess.run([sys.executable, "-c", code, json.dumps(arguments)], stdout=subprocess.PIPE, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def astronaut() -> str:
    """Return the path of scikit-image's photo of an astronaut."""
    import skimage.data

    return os.path.join(os.path.dirname(skimage.data.__file__), "astronaut.png")


def resized(photo: str, folder: str, width: int) -> tuple[str, float]:
    """Crop a photo to 3:2 and resize it to `width` pixels; return the path of the JPEG file and the scale."""
    import cv2

    picture = cv2.imread(photo)
    height = min(picture.shape[0], round(picture.shape[1] / 1.5))
    scale = width / picture.shape[1]
    target = (width, round(height * scale))
    path = os.path.join(folder, f"photo_{width}.jpg")
    cv2.imwrite(path, cv2.resize(picture[:height], target, interpolation=cv2.INTER_CUBIC))
    return path, scale


def machine() -> dict[str, object]:
    """Describe the machine that the numbers were measured on."""
    import torch

    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        names = [s for s in Path("/proc/cpuinfo").read_text().splitlines() if s.startswith("model name")]
        cpu = names[0].split(":")[1].strip() if names else cpu
    return {
        "cpu": cpu, "cores": os.cpu_count(), "torch": torch.__version__, "numpy": np.__version__,
        "commit": commit.stdout.strip(), "date": time.strftime("%Y-%m-%d"),
    }  # fmt: skip


def table(document: dict[str, object]) -> str:
    """Format the results as Markdown."""
    about = ", ".join(f"{k} {v}" for k, v in dict(document["machine"]).items())  # type: ignore[call-overload]
    lines = [f"`python -m benchmarks animate` on {document['photo']}, motion {document['motion']}; {about}", ""]
    lines.append(
        "| case | size | before the first frame | rendering, encoding | × real time | ÷ encoder alone | peak |"
    )
    lines.append("|---|---|---|---|---|---|---|")
    for row in document["rows"]:  # type: ignore[attr-defined]
        lines.append(
            f"| {row['case']} | {row['width']:.0f}×{row['height']:.0f} | {row['before_first_frame_s']:.1f} s "
            f"| {row['frames']:.0f} frames in {row['render_encode_s']:.2f} s | {row['times_real_time']:.2f} "
            f"| {row['render_encode_over_encode']:.2f} | {row['peak_mb']:.0f} MB |"
        )
    return "\n".join(lines) + "\n"
