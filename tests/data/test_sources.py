from pathlib import Path

import numpy as np
import pytest
import torch

from photoflow.data import ProceduralChairs, VideoFolder, open_source, procedural_chairs
from photoflow.data.__main__ import main
from photoflow.data.contact_sheet import contact_sheet
from photoflow.data.seeding import generator_of
from photoflow.errors import InputError
from photoflow.io import read_photo, write_image


def test_sources_are_opened_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(procedural_chairs, "SHAPES", 6)
    for index in range(4):
        write_image(tmp_path / f"{index}.png", np.full((64, 64, 3), 60 * index, np.uint8))
    source = open_source(f"procedural:{tmp_path}", size=(32, 48), seed=4)
    assert isinstance(source, ProceduralChairs)
    assert source.name == "procedural chairs from 4 photographs" and source.batch(0, 1)["flow"].shape[2:] == (32, 48)
    assert isinstance(open_source(f"video:{tmp_path}", size=(32, 32)), VideoFolder)


@pytest.mark.parametrize("text", ["", "chairs", "chairs:", "video:", "procedural:", "sintel:/data"])
def test_other_names_are_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"expected procedural.* got") as error:
        open_source(text, size=(32, 32))
    assert repr(text) in str(error.value)


def test_near_keys_give_unrelated_numbers() -> None:
    draws = [torch.rand(1000, generator=generator_of(*key)) for key in ((0, 1), (0, 2), (1, 1), (0, 1, 0), (1, 0))]
    likeness = torch.corrcoef(torch.stack(draws)) - torch.eye(len(draws))
    assert float(likeness.abs().max()) < 0.15
    assert torch.equal(draws[0], torch.rand(1000, generator=generator_of(0, 1)))


def test_a_sheet_has_a_row_a_sample() -> None:
    image = torch.rand(2, 3, 20, 30)
    flow = torch.zeros(2, 2, 20, 30)
    flow[0, 0] = 5
    batch = {"image1": image, "image2": image, "flow": flow, "mask": torch.ones(2, 1, 20, 30), "t": torch.ones(2)}
    sheet = contact_sheet(batch)
    assert sheet.shape == (46, 138, 3) and sheet.dtype == np.uint8
    assert np.array_equal(sheet[:20, :30], (image[0] * 255).round().byte().permute(1, 2, 0).numpy())
    assert (sheet[:20, 72:102] == (255, 0, 0)).all()  # to the right: red
    assert (sheet[26:, 72:102] == 255).all()  # still: white


def test_the_sheet_is_written_by_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index in range(4):
        write_image(tmp_path / f"{index}.png", np.full((40, 40, 3), 60 * index, np.uint8))
    arguments = [str(tmp_path / "sheet.png"), "--count", "2", "--size", "32", "32", "--source"]
    main([*arguments, f"video:{tmp_path}"])
    assert read_photo(tmp_path / "sheet.png").rgb.shape == (70, 108, 3)
    with pytest.raises(SystemExit) as left:
        main([*arguments, "video:none"])
    assert left.value.code == 2 and capsys.readouterr().err == "none: no such folder\n"
