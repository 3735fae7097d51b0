import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from photoflow.data import FlyingChairs, ProceduralChairs, chair_scene, picture_bank, procedural_chairs
from photoflow.data.chair_shapes import shape_bank
from photoflow.data.layers import Truth
from photoflow.data.picture_bank import PictureBank
from photoflow.data.seeding import generator_of
from photoflow.errors import InputError
from photoflow.io import write_image
from photoflow.ops import backward_warp

SIZE = (64, 80)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(procedural_chairs, "SHAPES", 18)
    monkeypatch.setattr(picture_bank, "TEXTURES", 6)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one smooth picture."""
    folder = tmp_path_factory.mktemp("smooth")
    y, x = np.mgrid[:256, :320]
    waves = [127 + 120 * np.sin(x / 40 + y / 55 + phase) for phase in (0, 2, 4)]
    write_image(folder / "waves.png", np.stack(waves, axis=2).astype(np.uint8))
    return folder


@pytest.fixture
def plain(photos: Path, monkeypatch: pytest.MonkeyPatch) -> ProceduralChairs:
    """A source of smooth pictures without effects: what one frame shows, another shows to the grey level."""
    for name in ("MOTION_BLUR", "BLUR", "BRIGHTNESS", "TEXTURES", "TEXTURED"):
        monkeypatch.setattr(chair_scene, name, 0.0)
    monkeypatch.setattr(procedural_chairs, "TEXTURES", 0.0)
    return ProceduralChairs(photos, SIZE)


def test_a_batch_has_everything(device: str) -> None:
    batch = ProceduralChairs(None, SIZE, device=device).batch(0, 3)
    channels = {
        "image1": 3, "image2": 3, "middle": 3, "flow": 2, "flow_back": 2, "mask": 1, "visible": 1, "visible_back": 1,
    }  # fmt: skip
    assert set(batch) == {*channels, "t"}
    assert all(batch[name].shape == (3, count, *SIZE) for name, count in channels.items())
    assert all(value.dtype == torch.float32 and value.device.type == device for value in batch.values())
    assert all(value.isfinite().all() for value in batch.values())
    for name in ("image1", "image2", "middle", "mask"):
        assert float(batch[name].min()) >= 0 and float(batch[name].max()) <= 1
    assert set(batch["visible"].unique().tolist()) == {0.0, 1.0}
    assert batch["t"].shape == (3,) and bool(((batch["t"] > 0) & (batch["t"] < 1)).all())
    assert 0.05 < float(batch["mask"].mean()) < 0.95
    assert float((batch["image1"] - batch["image2"]).abs().mean()) > 0.005


def test_a_sample_depends_on_seed_and_number_alone(photos: Path) -> None:
    source = ProceduralChairs(photos, SIZE, seed=5)
    wanted = source.batch(3, 2)
    other = ProceduralChairs(photos, SIZE, seed=5)
    other.batch(0, 5)
    torch.randn(7)
    again = other.batch(3, 2)
    assert all(torch.equal(wanted[name], again[name]) for name in wanted)
    alone = source.batch(7, 1)
    assert all(torch.allclose(alone[name], wanted[name][1:], atol=1e-4) for name in wanted)
    assert not torch.equal(source.batch(4, 2)["flow"], wanted["flow"])
    assert not torch.equal(ProceduralChairs(photos, SIZE, seed=6).batch(3, 2)["flow"], wanted["flow"])


def test_frames_follow_the_flow_where_it_is_visible(plain: ProceduralChairs) -> None:
    batch = plain.batch(0, 8)
    for image, other, flow, visible in (
        ("image1", "image2", "flow", "visible"), ("image2", "image1", "flow_back", "visible_back"),
    ):  # fmt: skip
        error = (backward_warp(batch[other], batch[flow]) - batch[image]).abs().mean(dim=1, keepdim=True)
        seen = batch[visible] > 0.5
        # Edges are one pixel soft and fall between other pixels in the other frame: few, and nothing else differs.
        assert float((error[seen] > 0.02).float().mean()) < 0.12
        assert float(error[seen].median()) < 0.004
        still = (batch[other] - batch[image]).abs().mean(dim=1, keepdim=True)
        assert float(error[seen].mean()) < 0.3 * float(still[seen].mean())


def test_flow_there_and_back_agree_where_visible(plain: ProceduralChairs) -> None:
    batch = plain.batch(1, 8)
    miss = (batch["flow"] + backward_warp(batch["flow_back"], batch["flow"])).norm(dim=1, keepdim=True)
    seen = batch["visible"] > 0.5
    assert float(miss[seen].median()) < 0.01
    assert float((miss[seen] > 0.25).float().mean()) < 0.06  # between two layers the field is a mixture


def _staged(source: ProceduralChairs, samples: int) -> tuple[chair_scene.Scene, procedural_chairs._Stage]:
    scenes = [chair_scene.draw_scene(SIZE, generator_of(source.seed, 1, sample)) for sample in range(samples)]
    scene = chair_scene.Scene.joined(scenes)
    return scene, procedural_chairs._Stage(scene, SIZE, source._pictures, source._shapes)


def _alone(scene: chair_scene.Scene, stage: procedural_chairs._Stage, time: torch.Tensor) -> torch.Tensor:
    """Every layer's RGBA in the whole frame (B, L, 4, H, W), each painted alone."""
    canvas = torch.zeros(len(time), len(scene.side), 4, *SIZE)
    for row, sample, (y, x), piece in stage._pieces(time):
        if scene.side[row] >= 0:
            canvas[sample, row, :, y : y + piece.shape[1], x : x + piece.shape[2]] = piece
    return canvas


def test_bending_follows_the_flow_to_the_grey_level(plain: ProceduralChairs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chair_scene, "BENT_BACKGROUND", 1.0)
    scene, stage = _staged(plain, 8)
    image1, first, mask1 = stage.frame(torch.zeros(8, dtype=torch.float64))
    image2, last, mask2 = stage.frame(torch.ones(8, dtype=torch.float64))
    truth = Truth(scene.layers, first, last)
    flow, flow_back = truth.flow(), truth.flow_back()
    visible, _ = truth.seen(flow, flow_back)
    objects = [torch.nn.functional.max_pool2d(mask, 5, 1, 2) for mask in (mask1, mask2)]  # with their edges
    ground = (visible > 0.5) & (objects[0] == 0) & (backward_warp(objects[1], flow) == 0)
    assert float(ground.float().mean()) > 0.3
    error = (backward_warp(image2, flow) - image1).abs().amax(dim=1, keepdim=True)
    assert float(error[ground].quantile(0.999)) < 2 / 255
    bent = scene.layers.bend[scene.side < 0].abs().flatten(1).amax(dim=1)
    assert float(bent.median()) > 0.3  # pixels


def test_nearer_objects_are_painted_over_farther_ones(plain: ProceduralChairs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chair_scene, "OBJECTS", (12, 14))
    scene, stage = _staged(plain, 6)
    picture, top, _ = stage.frame(scene.time)
    alone = _alone(scene, stage, scene.time)
    rows = torch.arange(len(scene.side))[None, :, None, None]
    foremost = (rows * (alone[:, :, 3] > 0.5)).amax(dim=1)
    is_object = foremost > 0
    assert torch.equal(top[is_object].long(), foremost[is_object])
    assert torch.equal(scene.side[top.long()] >= 0, is_object)
    nothing_over = ((alone[:, :, 3] > 0) & (rows > foremost[:, None])).sum(dim=1) == 0
    solid = alone.gather(1, foremost[:, None, None].expand(-1, 1, 4, -1, -1))[:, 0]
    whole = (is_object & nothing_over & (solid[:, 3] > 0.9999))[:, None].expand(-1, 3, -1, -1)
    assert int(((alone[:, :, 3] > 0.5).sum(dim=1) > 1).sum()) > 100  # they do overlap
    torch.testing.assert_close(picture[whole], solid[:, :3][whole].clamp(0, 1), atol=2e-4, rtol=0)


def test_occlusion_agrees_with_looking_at_every_layer(plain: ProceduralChairs) -> None:
    """For each pixel of the first frame, every layer in front of its own is looked at where the pixel goes."""
    scene, stage = _staged(plain, 4)
    ends = torch.zeros(4, dtype=torch.float64), torch.ones(4, dtype=torch.float64)
    first, last = (stage.frame(time)[1] for time in ends)
    truth = Truth(scene.layers, first, last)
    flow = truth.flow()
    visible, _ = truth.seen(flow, truth.flow_back())
    landed = backward_warp(_alone(scene, stage, ends[1])[:, :, 3], flow)
    front = torch.arange(len(scene.side))[None, :, None, None] > first[:, None]
    hidden = (landed * front).amax(dim=1, keepdim=True) > 0.5
    y, x = torch.meshgrid(*(torch.arange(side) for side in SIZE), indexing="ij")
    there = torch.stack([x, y]) + flow
    outside = (there < 0) | (there > torch.tensor([SIZE[1] - 1, SIZE[0] - 1]).reshape(1, 2, 1, 1))
    expected = ~(hidden | outside.any(dim=1, keepdim=True))
    assert 0.05 < float((~expected).float().mean()) < 0.8
    assert float((expected == (visible > 0.5)).float().mean()) > 0.985


def test_windows_hold_all_of_their_objects(plain: ProceduralChairs, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = plain.batch(0, 6)
    everything = torch.tensor([0, 0, SIZE[1], SIZE[0]])
    monkeypatch.setattr(procedural_chairs._Stage, "_windows", lambda self, moved: everything.expand(len(moved), -1))
    whole = plain.batch(0, 6)
    for name in ("image1", "image2", "middle"):
        assert float((whole[name] - expected[name]).abs().max()) < 1e-3


def test_the_middle_frame_lies_at_its_time(plain: ProceduralChairs) -> None:
    scene, stage = _staged(plain, 1)
    batch = plain.batch(0, 1)
    assert torch.equal(stage.frame(scene.time)[0], batch["middle"])
    near = stage.frame(torch.full((1,), 1e-3, dtype=torch.float64))[0]
    assert float((near - batch["image1"]).abs().max()) < 0.1
    far = stage.frame(torch.full((1,), 1 - 1e-3, dtype=torch.float64))[0]
    assert float((far - batch["image2"]).abs().max()) < 0.1


def test_effects_do_what_they_say(plain: ProceduralChairs, monkeypatch: pytest.MonkeyPatch) -> None:
    sharp = plain.batch(0, 6)
    monkeypatch.setattr(chair_scene, "BRIGHTNESS", 1.0)
    bright = plain.batch(0, 6)
    assert torch.equal(bright["image1"], sharp["image1"]) and torch.equal(bright["flow"], sharp["flow"])
    change = (bright["image2"] - sharp["image2"]).mean(dim=(1, 2, 3)).abs()
    assert int((change > 1e-3).sum()) >= 4  # up to a tenth, and as likely a hundredth
    monkeypatch.setattr(chair_scene, "BRIGHTNESS", 0.0)
    for name in ("BLUR", "MOTION_BLUR"):
        monkeypatch.setattr(chair_scene, name, 1.0)
        soft = plain.batch(0, 6)["image1"]
        rough = [image.diff(dim=3).abs().sum() for image in (soft, sharp["image1"])]
        assert float(rough[0]) < 0.99 * float(rough[1])
        assert float((soft.mean() - sharp["image1"].mean()).abs()) < 0.01
        monkeypatch.setattr(chair_scene, name, 0.0)


def test_motion_is_distributed_as_in_flying_chairs() -> None:
    """Most move little, some very far: five pairs of it have mean lengths of 4.3 to 26 pixels, 75 at most."""
    lengths = []
    for sample in range(120):
        layers = chair_scene.draw_scene((384, 512), generator_of(0, sample)).layers
        moved = layers.moved(torch.ones(len(layers.start), dtype=torch.float64))
        here = layers.start @ torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)[:, None]
        lengths.append((moved @ here - here)[0, :2, 0].norm())
    background = torch.stack(lengths)
    assert 1 < float(background.median()) < 8
    assert 10 < float(background.quantile(0.9)) < 60


def test_shapes_have_thin_parts_holes_and_three_colours() -> None:
    bank = shape_bank(24, 64, seed=0)
    assert bank.shape == (24, 4, 64, 64) and bank.dtype == torch.uint8
    assert torch.equal(bank, shape_bank(24, 64, seed=0)) and not torch.equal(bank, shape_bank(24, 64, seed=1))
    cover = bank[:, 3].float() / 160
    assert bool((cover.amax(dim=(1, 2)) == 1).all())
    border = torch.cat([cover[:, :2].flatten(1), cover[:, -2:].flatten(1), cover[:, :, :2].flatten(1)], dim=1)
    assert float(border.max()) == 0
    share = cover.mean(dim=(1, 2))
    assert float(share.min()) > 0.01 and float(share.max()) < 0.7
    eroded = -torch.nn.functional.max_pool2d(-cover[:, None], 7, 1, 3)[:, 0]
    assert int((eroded.amax(dim=(1, 2)) < 0.5).sum()) >= 2  # some are thin everywhere
    assert bool((bank[:, :3].float().sum(dim=1) <= 255 * cover + 2).all())  # colour only where it covers
    assert bool((bank[:, :3].amax(dim=(2, 3)) > 0).sum(dim=1).float().mean() > 1.5)


def test_pictures_come_from_the_folder(tmp_path: Path) -> None:
    write_image(tmp_path / "small.png", np.full((40, 30, 3), (10, 200, 30), np.uint8))
    bank = PictureBank(tmp_path, (96, 112), "cpu", generator_of(0))
    assert bank.photographs == 1
    photos = bank.crops(torch.rand(5, 5), 96, 112, textures=0.0)
    assert photos.shape == (5, 3, 96, 112)  # a small photo is enlarged
    torch.testing.assert_close(photos.mean(dim=(0, 2, 3)), torch.tensor([10, 200, 30]) / 255)
    textures = bank.crops(torch.rand(40, 5), 96, 112, textures=1.0)
    assert float(textures.flatten(1).std(dim=1).median()) > 0.05


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no photos"):
        ProceduralChairs(tmp_path, SIZE)
    with pytest.raises(InputError, match="no such folder"):
        ProceduralChairs(tmp_path / "none", SIZE)
    with pytest.raises(InputError, match="at least 32 pixels"):
        ProceduralChairs(None, (16, 64))
    with pytest.raises(InputError, match="seed: expected a whole number"):
        ProceduralChairs(None, SIZE, seed=-1)


@pytest.mark.skipif("PHOTOFLOW_DATA" not in os.environ, reason="PHOTOFLOW_DATA names no folder with flying_chairs")
def test_samples_are_about_as_hard_as_real_ones() -> None:
    folder = Path(os.environ["PHOTOFLOW_DATA"])
    chairs = FlyingChairs(folder / "flying_chairs", "all")
    twin = ProceduralChairs(folder / "photos", (384, 512))
    method = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    errors = []
    for batches in ([chairs[index] for index in range(len(chairs))], [twin.batch(number, 1) for number in range(40)]):
        pairs = [[(batch[name][0].mean(0) * 255).byte().numpy() for name in ("image1", "image2")] for batch in batches]
        flows = [torch.from_numpy(method.calc(*pair, None)).permute(2, 0, 1) for pair in pairs]
        misses = [(flow - batch["flow"][0]).norm(dim=0).mean() for flow, batch in zip(flows, batches)]
        errors.append(float(torch.stack(misses).mean()))
    assert 0.6 * errors[0] < errors[1] < 1.7 * errors[0]
