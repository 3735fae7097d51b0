"""Items from folders, patterns, lists and URLs."""

import json
import os

import fsspec
import pytest

from photoflow import InputError
from photoflow.batch import Items
from photoflow.batch.storage import ResultFolder
from photoflow.options import ClipOptions


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A tree with photos, and what is none."""
    monkeypatch.chdir(tmp_path)
    for name in ("b.jpg", "a.png", "a.JPG", "notes.txt", ".hidden.jpg", "sub/c.webp", "sub/deep/d.jpg", ".git/e.jpg"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "in"


def found(*inputs, suffix=".mp4", without=""):
    return [(item.photo, item.output) for item in Items(inputs, suffix, without)]


def test_a_folder_has_its_photos_in_order(photos):
    assert found("in") == [
        ("in/a.JPG", "a.JPG.mp4"), ("in/a.png", "a.png.mp4"), ("in/b.jpg", "b.mp4"), ("in/sub/c.webp", "sub/c.mp4"),
        ("in/sub/deep/d.jpg", "sub/deep/d.mp4"),
    ]  # fmt: skip


def test_the_folder_of_the_results_is_left_out(photos):
    assert [photo for photo, _ in found("in", without="in/sub")] == ["in/a.JPG", "in/a.png", "in/b.jpg"]


def test_a_pattern_stands_for_files_in_order(photos):
    assert found("in/**/*.jpg", suffix=".gif") == [("in/b.jpg", "b.gif"), ("in/sub/deep/d.jpg", "sub/deep/d.gif")]


def test_results_of_an_earlier_run_are_no_photos_of_a_pattern(photos):
    assert [photo for photo, _ in found("in/**/*.jpg", without="in/sub")] == ["in/b.jpg"]
    assert [photo for photo, _ in found("in/sub/**/*.jpg", without="in/sub")] == ["in/sub/deep/d.jpg"]
    assert [photo for photo, _ in found("in/*.png", without="in")] == ["in/a.png"]


def test_a_pattern_never_leads_out_of_the_folder_of_the_results(photos):
    assert found("in/*/../../in/b.jpg") == [("in/sub/../../in/b.jpg", "sub/in/b.mp4")]


def test_a_folder_that_cannot_be_read_is_said(photos, monkeypatch):
    def denied(root, onerror=None):
        onerror(PermissionError(13, "Permission denied", "in/secret"))
        return iter([])

    monkeypatch.setattr("os.walk", denied)
    with pytest.raises(InputError, match="in/secret: Permission denied; expected folders that can be read"):
        found("in")


def test_a_name_that_no_file_can_have_stops_no_counting(photos):
    (photos / "list.jsonl").write_text('{"photo": "in/\\ud800.jpg"}\n{"photo": "in/b.jpg"}\n')
    assert Items([str(photos / "list.jsonl")], ".mp4").count() == 2


@pytest.mark.skipif(os.name == "nt", reason="a colon stands behind a drive there")
def test_names_have_colons(tmp_path):
    """Those of photos by the hour of the day, and of servers with a port."""
    (tmp_path / "l.jsonl").write_text('{"photo": "12:30.png"}\n{"photo": "http://server:9000/a.png"}\n')
    assert [output for _, output in found(str(tmp_path / "l.jsonl"))] == ["12:30.mp4", "server:9000/a.mp4"]


def test_a_spreadsheets_empty_rows_are_passed_over(photos):
    (photos / "list.csv").write_text("photo,seconds,,\nin/b.jpg,,,\n,,,\n  \n")
    (item,) = Items([str(photos / "list.csv")], ".mp4")
    assert item.photo == "in/b.jpg" and ClipOptions.of(item.options) == ClipOptions()


def test_a_photo_by_itself(photos):
    assert found("in/sub/c.webp") == [("in/sub/c.webp", "c.mp4")]


def test_a_csv_says_options_of_each_photo(photos):
    lines = "photo,seconds,motion,motion,output\nin/b.jpg,2,sway,camera push=0.1,\n\nin/a.png,,,,x/y.gif\n"
    (photos / "list.csv").write_text("\ufeff" + lines)
    one, two = Items([str(photos / "list.csv")], ".mp4")
    assert one.photo == "in/b.jpg" and one.output == "in/b.mp4" and one.place.endswith("list.csv, line 2")
    assert one.options == {"seconds": "2", "motion": ["sway", "camera push=0.1"]}
    assert (two.output, two.options) == ("x/y.gif", {"motion": ["", ""]})


def test_json_lines_say_options_of_each_photo(photos):
    lines = [{"photo": "../in/b.jpg", "motion": ["sway"], "loop": False}, {"photo": "s3://bucket/k/c.png"}]
    (photos / "list.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    one, two = Items([str(photos / "list.jsonl")], ".mp4")
    assert (one.photo, one.output, one.options) == ("../in/b.jpg", "in/b.mp4", {"motion": ["sway"], "loop": False})
    assert (two.photo, two.output) == ("s3://bucket/k/c.png", "bucket/k/c.mp4")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("l.csv", "file\na.jpg\n", "line 1: expected names of columns, 'photo' among them"),
        ("l.csv", "photo\na.jpg,b\n", "line 2: expected 1 cells, got 2"),
        ("l.csv", "photo,seconds\n,3\n", "line 2: expected 'photo', a path or a URL, got None"),
        ("l.csv", "photo,output\na.jpg,../b.mp4\n", "line 2: output: expected a name within the folder of the results"),
        ("l.csv", "photo,output\na.jpg,.photoflow/b.mp4\n", "line 2: output: expected a name within the folder"),
        ("l.csv", "photo,output\na.jpg,/b.mp4\n", "line 2: output: expected a name within the folder"),
        ("l.jsonl", '{"photo": "a.jpg"}\n[1]\n', "line 2: expected a JSON object"),
        ("l.jsonl", '{"photo": 3}\n', "line 1: expected 'photo', a path or a URL, got 3"),
        ("l.jsonl", '{"photo": "a.jpg"', "line 1: expected a JSON object"),
    ],
)  # fmt: skip
def test_a_list_that_cannot_be_read_is_said_with_its_line(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as error:
        list(Items([str(tmp_path / name)], ".mp4"))
    assert said in str(error.value)


def test_two_results_in_one_place_are_said_before_any_work(tmp_path):
    (tmp_path / "l.csv").write_text("photo\na/x.jpg\nb.jpg\na/x.png\n")
    with pytest.raises(InputError, match=r"line 2 and .*line 4: both would be written to a/x.mp4"):
        Items([str(tmp_path / "l.csv")], ".mp4").count()


@pytest.mark.parametrize("source", ["none.jpg", "none", "none/*.jpg", "empty"])
def test_what_is_not_there_is_said(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=source.replace("*", r"\*")):
        Items([source], ".mp4").count()


def test_counting_tells_how_many(photos):
    assert Items(["in"], ".mp4").count() == 5


@pytest.fixture
def store():
    files = fsspec.filesystem("memory")
    files.store.clear()
    for name in ("/box/a.jpg", "/box/sub/b.png", "/box/.photoflow/c.jpg", "/box/list.csv"):
        files.pipe(name, b"photo\nmemory://box/a.jpg\n")
    yield files
    files.store.clear()


def test_an_object_store_has_folders_patterns_and_lists(store):
    assert found("memory://box") == [("memory://box/a.jpg", "a.mp4"), ("memory://box/sub/b.png", "sub/b.mp4")]
    assert [output for _, output in found("memory://box/*/*.png")] == ["sub/b.mp4"]
    assert found("memory://box/list.csv") == [("memory://box/a.jpg", "box/a.mp4")]
    assert found("memory://box/a.jpg") == [("memory://box/a.jpg", "a.mp4")]


def test_a_store_that_cannot_be_reached_is_said(store, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("no network")

    monkeypatch.setattr(type(store), "isdir", fails)
    with pytest.raises(InputError, match="memory://box: the store could not be reached or refused: RuntimeError: no"):
        Items(["memory://box"], ".mp4").count()
    monkeypatch.setattr(type(store), "cat_file", fails)
    with pytest.raises(InputError, match="memory://box: the store could not be reached"):
        ResultFolder("memory://box").read("report.jsonl")


def test_a_url_that_nobody_reads_is_said():
    with pytest.raises(InputError, match="nobody://x/: expected a URL that an installed package of fsspec reads"):
        list(Items(["nobody://x/"], ".mp4"))
