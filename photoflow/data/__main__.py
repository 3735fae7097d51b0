"""`python -m photoflow.data SHEET.png --source SOURCE` writes a contact sheet of a source's samples."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from photoflow.data import open_source
from photoflow.data.contact_sheet import contact_sheet
from photoflow.errors import InputError
from photoflow.io import write_image


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m photoflow.data", description=__doc__)
    parser.add_argument("sheet", help="the picture to write: .png, .jpg or .webp")
    parser.add_argument("--source", default="procedural", help="procedural[:FOLDER], chairs:FOLDER or video:FOLDER")
    parser.add_argument("--count", type=int, default=6, help="samples")
    parser.add_argument("--number", type=int, default=0, help="of the batch")
    parser.add_argument("--size", type=int, nargs=2, default=(256, 256), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    height, width = options.size
    try:
        source = open_source(options.source, size=(height, width), device=options.device, seed=options.seed)
        write_image(options.sheet, contact_sheet(source.batch(options.number, options.count)))
    except InputError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
