"""What a person says becomes a mask for each frame; what does not fit the clip is refused in one line."""

import numpy as np
import pytest

from photoflow.completion.masks import MARGIN, ClipMasks, written
from photoflow.errors import InputError
from photoflow.interpolation import open_frames
from photoflow.io import VideoWriter, write_image
from photoflow.segment import NoSubjectError, Segmenter

HEIGHT, WIDTH, COUNT = 60, 80, 5


def square(left):
    bits = np.zeros((HEIGHT, WIDTH), bool)
    bits[20:40, left : left + 20] = True
    return bits


@pytest.fixture
def frames(tmp_path):
    """A red square that moves over grey noise, as a folder of pictures."""
    noise = np.random.default_rng(0).integers(60, 110, (HEIGHT, WIDTH, 1), np.uint8).repeat(3, 2)
    (tmp_path / "clip").mkdir()
    for number in range(COUNT):
        picture = noise.copy()
        picture[square(20 + 2 * number)] = (220, 30, 30)
        write_image(tmp_path / "clip" / f"{number}.png", picture)
    return open_frames(tmp_path / "clip")


def write_masks(folder, masks):
    folder.mkdir()
    for number, bits in enumerate(masks):
        write_image(folder / f"{number}.png", np.where(bits, 255, 0).astype(np.uint8)[..., None].repeat(3, 2))
    return folder


def moving():
    return [square(20 + 2 * number) for number in range(COUNT)]


def same(some, others):
    return all(np.array_equal(one, other) for one, other in zip(some, others, strict=True))


def test_a_picture_is_carried(frames, tmp_path):
    file = write_masks(tmp_path / "mask", moving()[:1]) / "0.png"
    masks = ClipMasks(frames, mask=file)
    found = list(masks.of_thing())
    assert all((one & other).sum() / (one | other).sum() > 0.9 for one, other in zip(found, moving(), strict=True))
    assert masks.notes == ()
    assert same(masks, map(masks.widened, found))  # each iteration begins anew


def test_still_masks_hold_for_every_frame(frames, tmp_path):
    file = write_masks(tmp_path / "mask", moving()[:1]) / "0.png"
    assert same(ClipMasks(frames, mask=file, still=True).of_thing(), [square(20)] * COUNT)
    box = ClipMasks(frames, box=(20, 20, 20, 20), still=True)
    assert same(box, [square(20)] * COUNT)  # the box and nothing around it
    wide = next(iter(ClipMasks(frames, box=(22, 22, 16, 16), still=True, margin=2)))
    assert wide.sum() > 16 * 16 and not (wide & ~square(20)).any()


def test_the_margin_is_as_wide_as_it_says(frames):
    masks = ClipMasks(frames, mask=square(30), still=True, margin=3)
    wide = next(iter(masks))
    rows, columns = np.nonzero(wide)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (17, 42, 27, 52)
    assert not wide[17, 27] and wide[17, 30]  # a disc, no square
    assert ClipMasks(frames, mask=square(30)).margin == MARGIN * WIDTH


def test_a_box_and_points_find_the_thing(frames):
    by_colour = Segmenter(offline=True, method="grabcut")
    for said in ({"box": (17, 17, 26, 26)}, {"points": [(30, 30)], "not_points": [(70, 10)]}):
        masks = ClipMasks(frames, **said, segmenter=by_colour)
        for one, other in zip(masks.of_thing(), moving(), strict=True):
            assert (one & other).sum() / (one | other).sum() > 0.85
        assert "GrabCut" in masks.source


def test_a_mask_for_each_frame(frames, tmp_path):
    given = [*moving()[:-1], np.zeros((HEIGHT, WIDTH), bool)]  # there is nothing to remove in the last one
    folder = write_masks(tmp_path / "masks", given)
    assert same(ClipMasks(frames, mask=folder).of_thing(), given)
    assert not list(ClipMasks(frames, mask=folder))[-1].any()


@pytest.mark.parametrize("name", ["masks", "masks.mp4", "masks.apng"])
def test_what_was_written_is_read_again(frames, tmp_path, name):
    masks = ClipMasks(frames, mask=square(20))
    with VideoWriter(tmp_path / name, WIDTH, HEIGHT, 30) as writer:
        shown = list(written(masks.of_thing(), writer))
    again = list(ClipMasks(frames, mask=tmp_path / name).of_thing())
    assert len(shown) == COUNT
    assert max((one ^ other).mean() for one, other in zip(shown, again, strict=True)) < (
        0.01 if "mp4" in name else 1e-9
    )


def test_a_cut_is_told(frames, tmp_path):
    picture = np.random.default_rng(1).integers(100, 255, (HEIGHT, WIDTH, 3), np.uint8)
    write_image(tmp_path / "clip" / "9.png", picture)
    masks = ClipMasks(open_frames(tmp_path / "clip"), mask=square(20))
    assert [bool(bits.any()) for bits in masks] == [True] * COUNT + [False]
    assert masks.notes == ("another scene begins at frame 5: nothing is removed from there on",)


def test_one_frame(frames, tmp_path):
    for number in range(1, COUNT):
        (tmp_path / "clip" / f"{number}.png").unlink()
    assert same(ClipMasks(open_frames(tmp_path / "clip"), mask=square(20)).of_thing(), [square(20)])


def test_masks_that_do_not_fit_are_refused(frames, tmp_path):
    empty, full = np.zeros((HEIGHT, WIDTH), bool), np.ones((HEIGHT, WIDTH), bool)
    for name, masks, said in (
        ("few", moving()[:-1], "expected one mask a frame: 5, got 4"),
        ("large", [np.pad(bits, 2) for bits in moving()], "expected 80x60 pixels as the clip, got 84x64"),
        ("one", [*moving()[:-1], np.pad(square(20), 1)], "4.png: expected 80x60 pixels, got 82x62"),
        ("full", [*moving()[:2], full, *moving()[3:]], "mask of frame 2: expected something around"),
        ("empty", [empty] * COUNT, "expected something to remove, got masks that are all empty"),
    ):
        with pytest.raises(InputError, match=said):
            ClipMasks(frames, mask=write_masks(tmp_path / name, masks))


def test_what_contradicts_itself_is_refused(frames, tmp_path):
    folder = write_masks(tmp_path / "masks", moving())
    for said, line in (
        ({}, "expected a mask, a box or a point"),
        ({"mask": folder, "still": True}, "one for each frame, expected without"),
        ({"mask": folder, "box": (1, 1, 5, 5)}, "one for each frame, expected without"),
        ({"mask": square(20), "box": (1, 1, 5, 5)}, "only one of mask and box"),
        ({"points": [(1, 1)], "box": (1, 1, 5, 5), "still": True}, "box: with still it is what is removed"),
        ({"box": (70, 1, 50, 5)}, "inside the 80x60 picture"),
        ({"mask": np.ones((HEIGHT, WIDTH), bool)}, "a mask that covers all"),
        ({"mask": square(20), "margin": 60}, "a mask that covers the whole frame"),
        ({"mask": square(20), "margin": -1}, "margin: expected pixels"),
        ({"mask": square(20)[1:]}, "expected 80x60 as the photo, got 80x59"),
        ({"mask": tmp_path / "none.png"}, "none.png"),
    ):
        with pytest.raises(InputError, match=line):
            ClipMasks(frames, **said)


def test_nothing_at_a_point(tmp_path):
    (tmp_path / "plain").mkdir()
    write_image(tmp_path / "plain" / "0.png", np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    with pytest.raises(NoSubjectError):
        ClipMasks(open_frames(tmp_path / "plain"), box=(5, 5, 20, 20), segmenter=Segmenter(method="grabcut"))
