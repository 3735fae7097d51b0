"""How do I animate many photos from Python, by several processes, and go on where a run was ended?"""

import sys
import tempfile
from pathlib import Path

import skimage.data

from photoflow.batch import ClipWork, Items, Processes
from photoflow.io import write_image


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
    photos = folder / "photos"
    photos.mkdir(parents=True, exist_ok=True)
    for name in ("coffee", "rocket"):
        write_image(photos / f"{name}.png", getattr(skimage.data, name)())
    (photos / "broken.png").write_bytes(b"no picture")  # one bad photo stops nothing

    # The options are those of `photoflow animate`, and `photoflow batch` does the same from the command line.
    options = {"seconds": 1.0, "fps": 8.0, "size": "160", "segmenter": "grabcut", "offline": True}
    work = ClipWork(str(folder / "clips"), options)
    for run in ("first", "again"):  # the second passes over what stands
        for record in Processes(work, jobs=2, memory=4_000_000_000).records(Items([str(photos)], ".gif")):
            what = record.error or ("was there already" if record.kept else f"made in {record.seconds:.1f} s")
            print(f"{run}: {Path(record.photo).name}: {what}")


if __name__ == "__main__":  # each process imports this file
    main()
