"""Names that no file can have, folders that are gone, and what killed runs left behind."""

import os
import time
from pathlib import Path

import pytest

from photoflow.errors import LONGEST, InputError
from photoflow.io.atomic import check_directory, check_target, replacing, write_bytes


@pytest.mark.parametrize("check", [check_target, check_directory, lambda path: write_bytes(path, b"")])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a" * 300 + ".png", "File name too long"),
        ("a/" * 5000, "File name too long"),
        ("a\0b.png", "a character that no file name can have"),
        ("\ud800.png", "a character that no file name can have"),
        ("file/b.png", "does not exist"),
        ("loop/b.png", "levels of symbolic links|does not exist"),
        ("none/b.png", "does not exist"),
    ],
    ids=["long", "deep", "zero", "surrogate", "below a file", "loop", "no folder"],
)
def test_a_name_that_no_file_can_have_is_refused_in_one_line(tmp_path: Path, check, name: str, said: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError, match=said) as caught:
        check(tmp_path / name)
    assert str(caught.value).isprintable() and len(str(caught.value)) <= LONGEST
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "loop"]


@pytest.mark.parametrize("check", [check_target, check_directory])
def test_names_that_are_fine(tmp_path: Path, check) -> None:
    for name in ("a" * 255, "ü\udcff", "new\nline", "-"):
        assert check(tmp_path / name) == tmp_path / name
    os.symlink("nowhere", tmp_path / "dangling")
    assert check(tmp_path / "dangling") == tmp_path / "dangling"


def test_a_working_directory_that_was_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for check in (check_target, check_directory):
        with pytest.raises(InputError, match=r"cannot write a\.png: the working directory no longer exists"):
            check("a.png")
        assert check(tmp_path / "a.png") == tmp_path / "a.png"


def age(path: Path, days: float) -> Path:
    then = time.time() - 86_400 * days
    os.utime(path, (then, then), follow_symlinks=False)
    return path


def test_what_killed_runs_left_is_removed_after_a_day(tmp_path: Path) -> None:
    part, other = ".photoflow-0123456789a{}.part", tmp_path / "other"
    other.mkdir()
    (other / "precious").touch()
    for name in (part.format("a"), part.format("b"), ".photoflow-0123456789a.part", "photoflow-0123456789ab.part",
                 f"x{part.format('c')}", part.format("A"), part.format("d") + "x"):  # fmt: skip
        (tmp_path / name).write_bytes(b"left")
        age(tmp_path / name, 2)
    age(tmp_path / part.format("b"), 0.9)
    folder = tmp_path / part.format("e")
    folder.mkdir()
    (folder / "frame_00000.png").touch()
    (folder / "link").symlink_to(other)
    age(folder, 2)
    (tmp_path / part.format("f")).symlink_to(other)
    age(tmp_path / part.format("f"), 2)
    before = {path.name for path in tmp_path.iterdir()}
    write_bytes(tmp_path / "a", b"new")
    after = {path.name for path in tmp_path.iterdir()}
    assert after == before - {part.format("a"), folder.name} | {"a"}
    assert (other / "precious").exists() and (tmp_path / part.format("f")).is_symlink()


def test_the_part_of_another_run_stays(tmp_path: Path) -> None:
    with replacing(tmp_path / "a") as first:
        first.write_bytes(b"1")
        write_bytes(tmp_path / "b", b"2")
        assert first.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
