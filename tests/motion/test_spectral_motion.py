"""Spectral motions: how a clip's volume comes to lie on a photo, how it closes, what is refused."""

import numpy as np
import pytest
import torch
from swaying import swaying

from photoflow import motion
from photoflow.errors import InputError
from photoflow.io import VideoWriter
from photoflow.metrics import motion_steps, seam
from photoflow.motion import Scene, Spectral, SpectralVolume
from photoflow.motion.wind import PRESETS
from photoflow.render.layered import SubjectLayer


@pytest.fixture
def volume(tmp_path):
    """A volume file of 40x20 pixels and 5 seconds whose right half sways along x, whose left half along y."""
    coefficients = np.zeros((4, 2, 20, 40), np.complex64)
    coefficients[1, 0, :, 20:] = 0.2 - 0.1j
    coefficients[2, 1, :, :20] = 0.1j
    made = SpectralVolume(coefficients, 5.0)
    made.save(tmp_path / "v.safetensors")
    return made, str(tmp_path / "v.safetensors")


def subject(height=40, width=80):
    mask = np.zeros((height, width), np.float32)
    mask[10:30, 20:60] = 1
    return mask


def test_a_volume_of_the_photos_shape_lies_on_the_photo_as_a_whole(volume):
    made, path = volume
    scene = Scene(subject(), seconds=5.0, picture=(80, 40))
    flow = Spectral(path).field(scene).flow(0.8).numpy()
    expected = made.displacement(0.8)
    np.testing.assert_allclose(flow[:, 15, 10], 2 * expected[:, 8, 5], atol=1e-5)  # twice the size, twice as far
    np.testing.assert_allclose(flow[:, 25, 70], 2 * expected[:, 12, 35], atol=1e-5)
    assert np.abs(flow[0, :, :36]).max() < 1e-5 < np.abs(flow[1, :, :36]).min()


def test_the_region_that_is_rendered_and_its_grid_change_nothing(volume):
    _, path = volume
    whole = Spectral(path).field(Scene(subject(), seconds=5.0, picture=(80, 40))).flow(0.8)
    part = Scene(subject()[5:35, 11:71], origin=(11, 5), seconds=5.0, picture=(80, 40))
    torch.testing.assert_close(Spectral(path).field(part).flow(0.8), whole[:, 5:35, 11:71])
    coarse = Scene(subject()[::2, ::2], scale=0.5, seconds=5.0, picture=(40, 20))
    flow = Spectral(path).field(coarse).flow(0.8)
    torch.testing.assert_close(flow[:, :, :17], whole[:, ::2, :34:2] / 2)
    torch.testing.assert_close(flow[:, :, 23:], whole[:, ::2, 46::2] / 2)


def test_beyond_the_photo_motion_is_that_of_its_border(volume):
    _, path = volume
    beyond = Scene(np.ones((50, 100), np.float32), origin=(-10, -5), seconds=5.0, picture=(80, 40))
    flow = Spectral(path).field(beyond).flow(0.8)
    torch.testing.assert_close(flow[:, 0, :10], flow[:, 6, 11:12].expand(2, 10))


def test_a_region_is_laid_on_the_subjects_box(volume):
    made, path = volume
    scene = Scene(subject(), seconds=5.0, picture=(80, 40))
    flow = Spectral(path, region=(20, 0, 20, 10)).field(scene).flow(0.8).numpy()
    expected = made.displacement(0.8)[:, 0, 30]  # the right half alone, at twice its size
    np.testing.assert_allclose(flow, np.broadcast_to(2 * expected[:, None, None], flow.shape), atol=1e-5)


def test_another_shape_is_laid_on_the_subjects_box(volume):
    _, path = volume
    flow = Spectral(path).field(Scene(subject(), seconds=5.0, picture=(80, 80))).flow(0.8).numpy()
    assert np.abs(flow[0, :, :39]).max() < 1e-5 and np.abs(flow[1, :, 41:]).max() < 1e-5  # 40 is the box's middle
    without = Spectral(path).field(Scene(subject(), seconds=5.0)).flow(0.8).numpy()
    np.testing.assert_array_equal(flow, without)


def test_strength_slowness_and_loops(volume):
    _, path = volume

    def flow(t, seconds=5.0, loop=False, **options):
        return Spectral(path, **options).field(Scene(subject(), seconds=seconds, loop=loop)).flow(t)

    torch.testing.assert_close(flow(0.8, strength=1.3), 1.3 * flow(0.8))
    torch.testing.assert_close(flow(1.6, slow=2), flow(0.8))
    assert (flow(4.0, 4.0) - flow(0.0, 4.0)).abs().max() > 0.05
    torch.testing.assert_close(flow(4.0, 4.0, loop=True), flow(0.0, 4.0, loop=True))
    assert (flow(0.8, 4.0, loop=True)).abs().max() > 0.05
    torch.testing.assert_close(flow(0.8, 5.0, loop=True), flow(0.8))


def test_a_clip_moves_its_own_first_frame_as_it_moved(tmp_path):
    frames, ways = swaying(count=40, height=64, width=96, amplitude=3)
    with VideoWriter(tmp_path / "c.mp4", 96, 64, 10, quality=100) as out:
        for frame in frames:
            out.write(frame)
    alpha = np.zeros((64, 96), np.float32)
    alpha[16:48, 20:70] = 1
    timing = {"scale": 1.0, "seconds": 4.0, "loop": True, "device": "cpu"}
    layer = SubjectLayer(frames[0], alpha, Spectral(str(tmp_path / "c.mp4")), **timing)
    for number in (7, 25):
        moved, (rows, columns) = layer.flow(number / 10)
        flow = np.zeros((2, 64, 96), np.float32)
        flow[:, rows, columns] = moved.numpy()
        np.testing.assert_allclose(flow[:, alpha > 0].mean(axis=1), ways[number], atol=0.08)


@pytest.mark.parametrize("kind", PRESETS)
def test_every_preset_closes_and_moves(kind, seconds=7.7):
    field = Spectral(kind).field(Scene(subject(), seconds=seconds))
    torch.testing.assert_close(field.flow(seconds), field.flow(0.0), atol=1e-3, rtol=0)
    steps = motion_steps(field.flow(seconds * i / 40).numpy() for i in range(40))
    assert seam(steps) <= 1 and sum(steps) > 0.1


def test_what_a_preset_is_told_changes_its_motion():
    scene = Scene(subject())
    usual = Spectral("plant").field(scene).flow(0.8)
    for options in ({"seed": 1}, {"wind": 1.0, "gustiness": 1.0}, {"direction": 90}, {"slow": 2.0}):
        assert (Spectral("plant", **options).field(scene).flow(0.8) - usual).abs().max() > 0.01, options
    lengths = [float(Spectral("plant", strength=s).field(scene).flow(0.8).norm()) for s in (0, 1, 4, 8)]
    assert lengths[0] == 0 and lengths[1] < lengths[2] and lengths[3] == pytest.approx(2 * lengths[2])


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"source": "bush"}, r"source expects plant, .*a \.safetensors volume or a video, got 'bush'"),
        ({"source": 3}, "source expects plant"),
        ({"source": "plant", "strength": 11}, "strength expects a number from 0 to 10"),
        ({"source": "plant", "seed": 1.5}, "seed expects a whole number"),
        ({"source": "plant", "seed": -1}, "seed expects"),
        ({"source": "plant", "slow": 0}, "slow expects"),
        ({"source": "plant", "region": (1, 2, 3, 4)}, "a region is of a clip, and plant is a preset"),
        ({"source": "c.mp4", "region": (1, 2, 3)}, "region expects x, y, width and height"),
        ({"source": "c.mp4", "region": (1, 2, 0, 4)}, "region expects x, y, width and height"),
        ({"source": "c.mp4", "region": "all"}, "region expects x, y, width and height"),
        ({"source": "c.mp4", "wind": 0.7}, "wind is a preset's"),
    ],
)
def test_bad_values_are_refused(values, named):
    with pytest.raises(InputError, match=named):
        Spectral(**values)


def test_a_source_that_cannot_be_read_is_named(tmp_path, volume):
    (tmp_path / "no.safetensors").write_text("nothing")
    (tmp_path / "no.mp4").write_text("nothing")
    for source, named in (("none.mp4", "no such file"), ("no.safetensors", "cannot read"), ("no.mp4", "not a video")):
        with pytest.raises(InputError, match=named) as caught:
            Spectral(str(tmp_path / source)).field(Scene(subject()))
        assert source in str(caught.value)
    for source in ("a\0b.mp4", "\ud800.mp4", "a" * 5000 + ".mp4"):
        with pytest.raises(InputError, match="no such file") as caught:
            Spectral(source).field(Scene(subject()))
        assert str(caught.value).isprintable() and len(str(caught.value)) <= 600
    with pytest.raises(InputError, match=r"region: expected one within the 40x20 pixels of .*v\.safetensors, got 30,"):
        Spectral(volume[1], region=(30, 0, 20, 10)).field(Scene(subject()))


def test_wind_and_region_reach_the_motions_that_have_them():
    plant, clip, sway = Spectral("plant"), Spectral("c.mp4"), motion.Sway()
    mixed = plant.on(2) + 0.5 * (clip + sway)
    changed = motion.with_overrides(mixed, wind=0.9, region=(1, 2, 3, 4))
    assert changed == Spectral("plant", wind=0.9).on(2) + 0.5 * (Spectral("c.mp4", region=(1, 2, 3, 4)) + sway)
    assert motion.with_overrides(mixed) == mixed
    with pytest.raises(InputError, match="wind: expected a motion that it moves, such as spectral:plant"):
        motion.with_overrides(clip + sway, wind=0.9)
    with pytest.raises(InputError, match=r"expected a motion from a clip"):
        motion.with_overrides(plant + sway, region=(1, 2, 3, 4))
