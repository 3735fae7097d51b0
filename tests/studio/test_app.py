"""The whole story over HTTP: a photo in, corrected, moved, seen, and kept."""

import io
import json
import zipfile
from urllib.parse import quote

import cv2
import numpy as np
import pytest
from clients import Client
from PIL import Image

from photoflow.studio import app, guards, pages
from photoflow.studio.catalogue import catalogue
from photoflow.studio.opening import SIZE

DISC = "subject-1"


def decoded(answer):
    assert answer.status_code == 200, answer.text
    return np.array(Image.open(io.BytesIO(answer.content)))


def test_a_photo_is_opened_and_moves(client):
    state = client.state
    assert state["name"] == "wall.png" and state["revision"] == 1 and state["problem"] is None
    assert state["photo"] == {"width": 320, "height": 200, "url": f"{client.at}/photo"}
    assert state["settings"] == {"seconds": 4.0, "fps": 30.0, "loop": True}
    assert (state["undo"], state["redo"], state["note"]) == (None, None, "")
    (disc,) = state["layers"]
    assert disc["name"] == DISC and disc["on"] and not disc["region"] and 0 <= disc["sure"] <= 1
    assert disc["box"] == pytest.approx([105, 55, 91, 91], abs=3)
    assert state["motion"][""][0]["type"] == "camera"
    assert client.http.get(client.at).json() == state


def test_the_photo_and_its_masks_are_pictures(client, picture):
    photo = client.get("photo")
    assert np.abs(decoded(photo).astype(int) - picture).mean() < 3
    assert photo.headers["cache-control"] == pages.FOREVER
    url = client.layer(DISC)["mask"]
    mask = client.http.get(url)
    assert mask.headers["cache-control"] == pages.FOREVER
    alpha = decoded(mask)[..., 3]
    assert alpha.shape == (200, 320) and alpha[100, 150] == 255 and alpha[10, 10] == 0
    assert client.http.get(url.partition("?")[0]).headers["cache-control"] == "no-store"
    assert client.get("masks/cat?v=1").status_code == 404


def test_a_mask_has_another_address_once_it_is_another(client):
    before = client.layer(DISC)["mask"]
    client.edit("paint", layer=DISC, strokes=[[20, 20]], size=20)
    after = client.layer(DISC)["mask"]
    assert after != before and decoded(client.http.get(after))[20, 20, 3] == 255
    client.edit("undo")
    assert client.layer(DISC)["mask"] == before


def test_the_moving_picture_names_its_images_by_what_is_in_them(client):
    client.edit("motion", layer="", motions=[])
    client.edit("motion", layer=DISC, motions=[{"type": "sway"}])
    first = client.get("picture").json()
    assert (first["width"], first["height"], first["seconds"], first["loop"]) == (320, 200, 4.0, True)
    assert first["layers"][0]["name"] == "background" and len(first["layers"]) == 2
    for url in first["images"].values():
        image = client.http.get(url)
        assert image.status_code == 200 and image.headers["cache-control"] == pages.FOREVER
    client.edit("motion", layer=DISC, motions=[{"type": "float"}])
    second = client.get("picture").json()
    assert second["images"]["0"] == first["images"]["0"]
    assert second["layers"][1]["moves"] != first["layers"][1]["moves"]
    client.edit("undo")
    assert client.get("picture").json() == first
    assert client.get("images/none").status_code == 404


def test_a_layer_that_is_off_is_not_in_the_picture(client):
    client.edit("add", name="twin", box=[100, 50, 100, 100])
    for name in ("twin", DISC):
        client.edit("motion", layer=name, motions=[{"type": "float"}])
    client.edit("motion", layer="", motions=[])
    assert len(client.get("picture").json()["layers"]) == 3
    client.edit("switch", layer="twin", on=False)
    assert len(client.get("picture").json()["layers"]) == 2
    client.edit("switch", layer=DISC, on=False)
    assert client.state["problem"].startswith("nothing moves yet")
    answer = client.get("picture")
    assert answer.status_code == 400 and answer.json()["error"].startswith("nothing moves yet")


def test_what_a_motion_does_not_allow_is_said_when_it_is_looked_at(client):
    client.edit("settings", seconds=1)
    client.edit("motion", layer=DISC, motions=[{"type": "poke", "x": 150, "y": 60, "dx": 30, "dy": 0, "hold": 2}])
    answer = client.get("picture")
    assert answer.status_code == 400
    assert "expected a loop longer than that" in answer.json()["error"]


def test_flow_is_coloured_where_it_moves(client):
    client.edit("motion", layer="", motions=[])
    client.edit("motion", layer=DISC, motions=[{"type": "translate", "dx": 40}])
    shown = decoded(client.get("flow.png?t=2"))
    assert shown.shape == (200, 320, 4)
    red, green, blue, opacity = shown[100, 150].astype(int)
    assert opacity > 150 and red > 200 > max(green, blue)  # to the right
    assert shown[190, 310, 3] == 0
    assert shown[10, 10, 3] == 255  # the legend
    assert client.get("flow.png?t=9").json()["error"] == "t: expected a time of the clip from 0 to 4 s"
    assert client.get("flow.png?t=nan").status_code == 400
    assert client.get("flow.png?t=soon").json()["error"] == "t: expected another value in the address"


def test_a_slice_shows_a_row_over_time(client, picture):
    client.edit("motion", layer="", motions=[])
    client.edit("motion", layer=DISC, motions=[{"type": "translate", "dx": 40}])
    shown = decoded(client.get("slice.png?row=100"))
    assert shown.shape == (60, 320, 3)
    assert np.abs(shown[0].astype(int) - picture[100]).max() <= 2
    rightmost = [int(np.nonzero(row[:, 2].astype(int) + 60 < row[:, 0])[0].max()) for row in shown[[0, 30]]]
    assert rightmost[1] - rightmost[0] == pytest.approx(40, abs=3)
    assert client.get("slice.png?row=200").json()["error"] == "row: expected one of the photo from 0 to 199"
    assert client.get("slice.png").status_code == 400


def test_undo_and_redo_are_told(client):
    client.edit("rename", layer=DISC, name="sun")
    assert client.state["undo"] == f"Rename {DISC}" and client.names == ["sun"]
    client.edit("undo")
    assert client.state["redo"] == f"Rename {DISC}" and client.names == [DISC]
    client.edit("redo")
    assert client.names == ["sun"] and client.state["revision"] == 4


def test_holds_come_back_in_pixels_of_the_photo(server, picture):
    large = cv2.resize(picture, (2560, 1600))
    client = Client.opened(server, cv2.imencode(".jpg", large[..., ::-1])[1].tobytes())
    assert client.state["photo"]["width"] == 2560
    client.edit("hold", layer=DISC, free=[[1200, 600]], pinned=[[[1100, 1000], [1300, 1000]]])
    assert client.layer(DISC)["free"] == [[[1200, 600]]]
    assert client.layer(DISC)["pinned"] == [[[1100, 1000], [1300, 1000]]]
    assert client.layer(DISC)["box"] == pytest.approx([840, 440, 728, 728], abs=20)
    assert client.get("picture").json()["width"] == SIZE


def test_a_photo_in_which_nothing_stands_out_is_opened_all_the_same(server):
    grey = cv2.imencode(".png", np.full((100, 150, 3), 120, np.uint8))[1].tobytes()
    state = Client.opened(server, grey).state
    assert state["layers"] == [] and state["note"] and "--" not in state["note"]
    assert state["problem"] is None  # the camera moves


def test_what_a_click_does_not_find_is_said_without_words_of_the_command_line(client):
    assert "--" not in client.refused("paint", layer=DISC, strokes=[[150, 100]], size=400, erase=True)


def test_a_stage_is_kept_and_opened_again(client, server):
    client.edit("motion", layer=DISC, motions=[{"type": "sway"}])
    client.edit("rename", layer=DISC, name="sun")
    client.edit("add", name="twin", box=[100, 50, 100, 100])
    client.edit("switch", layer="twin", on=False)
    kept = {name: client.state[name] for name in ("motion", "settings")} | {"off": ["twin"]}
    assert client.get("files/work.stage?whole=true").status_code == 200
    again = Client.opened(server, client.get("files/work.stage?whole=true").content, "wall.stage")
    assert again.names == ["twin", "sun"] and again.state["id"] != client.state["id"]
    again.edit("restore", document=kept)
    assert again.state["motion"] == client.state["motion"]
    assert [layer["mask"].rpartition("=")[2] for layer in again.state["layers"]] == [
        layer["mask"].rpartition("=")[2] for layer in client.state["layers"]
    ]
    played = Client.opened(server, client.get("files/work.stage").content)
    assert played.names == ["sun"]  # what is off is not in what repeats the clip


def test_two_people_do_not_see_each_other(server, photo):
    one, other = Client.opened(server, photo), Client.opened(server, photo)
    assert one.state["id"] != other.state["id"]
    one.edit("rename", layer=DISC, name="sun")
    assert server.get(other.at).json() == other.state
    image = next(iter(one.get("picture").json()["images"].values())).rpartition("/")[2]
    assert other.get(f"images/{image}").status_code == 404
    assert server.delete(one.at).status_code == 204
    assert server.get(one.at).status_code == 404
    assert server.get(other.at).json() == other.state


def test_many_works(server, photo, monkeypatch):
    monkeypatch.setattr("photoflow.studio.works.MOST_WORKS", 2)
    works = [Client.opened(server, photo) for _ in range(3)]
    answer = server.get(works[0].at)
    assert answer.status_code == 410 and answer.json()["error"].startswith("this photo was put away")
    assert server.get(works[2].at).status_code == 200


def png(width, height, data=b""):
    """A PNG whose header says a size, without any pixel of it."""
    import struct
    import zlib

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def zipped(name="stage.json", content=b"{}"):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"", "is empty"),
        (b"not a photo", "holiday.jpg is not a JPEG, PNG"),
        (png(60_000, 60_000), "megapixels"),
        (png(400, 400), "truncated or damaged"),
        (zipped(), "not a stage"),
        (zipped("other.txt"), "not a stage"),
        (b"PK\x03\x04 and nothing else", "not a stage, or a damaged one"),
    ],
)
def test_what_is_no_photo_is_refused_and_leaves_nothing(server, data, line):
    answer = server.post("/api/works", content=data, headers={"X-Name": "holiday.jpg"})
    assert answer.status_code == 400
    assert line in answer.json()["error"] and "/" not in answer.json()["error"]
    studio = server.app.state.studio
    assert len(studio.works) == 0 and not list(studio.folder.iterdir())


def test_a_truncated_photo_is_refused(server, photo):
    answer = server.post("/api/works", content=photo[: len(photo) // 2])
    assert answer.status_code == 400 and "truncated" in answer.json()["error"]


def test_a_stage_with_too_many_pixels_is_refused(client, server, monkeypatch):
    monkeypatch.setattr("photoflow.studio.opening.MOST_PIXELS", 1000)
    answer = server.post("/api/works", content=client.get("files/work.stage").content)
    assert answer.status_code == 400 and "too much in it" in answer.json()["error"]


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("cat.jpg", "cat.jpg"), (quote("Kätzchen 1.jpg"), "Kätzchen 1.jpg"), ("../../etc/passwd", "passwd"),
        ("C:\\photos\\a.png", "a.png"), (quote("a\nb\0c.png"), "abc.png"), ("", "photo"), ("/", "photo"),
        ("x" * 500, "x" * 120), ("%ff%fe.png", "\ufffd\ufffd.png"),
    ],
)  # fmt: skip
def test_names_are_labels(said, name):
    assert app.label_of(said) == name


def test_bodies_are_limited(server, client, monkeypatch):
    monkeypatch.setattr(app, "MOST_PHOTO", 1 << 20)
    assert server.post("/api/works", content=bytes((1 << 20) + 1)).json()["error"] == "expected at most 1 MiB"

    def pieces():
        for _ in range(40):
            yield bytes(1 << 16)

    assert server.post("/api/works", content=pieces()).status_code == 413  # no length was said
    answer = server.post(f"{client.at}/edits", content=b" " * (guards.MOST_EDIT + 1))
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "text", ["", "{", "nope", '{"edit": "settings", "seconds": NaN}', "[" * 100_000, "1e999", "\xff"]
)
def test_what_is_no_json_is_refused(client, text):
    answer = client.http.post(f"{client.at}/edits", content=text.encode("latin-1"))
    assert answer.status_code == 400 and answer.json()["error"]


def test_large_numbers_are_refused(client):
    answer = client.http.post(f"{client.at}/edits", content=b'{"edit": "settings", "seconds": ' + b"9" * 9999 + b"}")
    assert answer.json()["error"].startswith("seconds: expected a number above 0")


def test_refusals_are_lines(server, client):
    assert client.refused("motion", layer=DISC, motions=[{"type": "walk"}]).startswith("unknown motion 'walk'")
    for path in (
        "/nothing",
        "/api/works",
        "/api/works/none",
        "/web/none.js",
        "/player/none.js",
        f"{client.at}/nothing",
    ):
        answer = server.get(path)
        assert answer.status_code in (404, 405) and answer.json()["error"], path
    assert server.put("/api/works").json() == {"error": "there is nothing under this address"}


def test_an_error_of_the_studio_itself_is_a_line_too(server, photo, monkeypatch):
    monkeypatch.setattr(app, "described", lambda work: 1 / 0)
    answer = server.post("/api/works", content=photo)
    assert answer.status_code == 500 and answer.json() == {"error": "an error of the studio itself; its log says more"}
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_catalogue(server):
    assert server.get("/api/motions").json() == catalogue()


def test_the_page_has_a_map_of_all_modules_and_allows_nothing_else(server):
    answer = server.get("/")
    text, policy = answer.text, answer.headers["content-security-policy"]
    script = text.partition('<script type="importmap">')[2].partition("</script>")[0]
    imports = json.loads(script)["imports"]
    assert imports["photoflow/studio.js"].startswith("/web/studio.js?v=")
    import base64
    import hashlib

    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'self' 'sha256-{digest}'" in policy and "default-src 'none'" in policy
    assert "unsafe" not in policy and pages.PLACE not in text
    assert answer.headers["cache-control"] == "no-store"
    for url in imports.values():
        module = server.get(url)
        assert module.status_code == 200 and module.headers["content-type"].startswith("text/javascript")
        assert module.headers["cache-control"] == pages.FOREVER


def test_files_of_the_page_are_asked_for_again_where_they_may_change(server, web):
    first = server.get("/web/studio.js")
    assert first.headers["cache-control"] == "no-cache"
    assert server.get("/web/studio.js", headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    (web / "studio.js").write_text("export const two = 2;")
    again = server.get("/web/studio.js", headers={"If-None-Match": first.headers["etag"]})
    assert again.text == "export const two = 2;"


@pytest.mark.parametrize("name", ["index.html", "../app.py", "%2e%2e/app.py", "..%2fapp.py", ".studio.js", "a.js%00"])
def test_no_other_file_is_served(server, name):
    assert server.get(f"/web/{name}").status_code == 404
