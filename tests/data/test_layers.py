import math

import pytest
import torch

from photoflow.data.chair_scene import draw_scene
from photoflow.data.layers import CELLS, STEEPEST, Layers, Truth, affine_flow, similarity, smooth_fields
from photoflow.data.seeding import generator_of
from photoflow.ops import backward_warp


def _layers(shift: list[list[float]], bend: torch.Tensor | None = None) -> Layers:
    """Layers of one sample in a frame of 64 x 64 that are shifted."""
    count = len(shift)
    chain = torch.zeros(count, 1, 6, dtype=torch.float64)
    chain[:, 0, 2:4] = torch.tensor(shift)
    none = torch.zeros(count, 2, CELLS + 1, CELLS + 1)
    return Layers(
        torch.zeros(count, dtype=torch.long),
        torch.eye(3, dtype=torch.float64).repeat(count, 1, 1),
        chain,
        none if bend is None else bend,
        torch.full((count, 2), -8.0, dtype=torch.float64),
        torch.full((count,), 80 / CELLS, dtype=torch.float64),
    )


def test_similarity_turns_and_zooms_about_its_centre() -> None:
    centre, shift = torch.tensor([[3.0, 4.0]]), torch.tensor([[10.0, -5.0]])
    made = similarity(centre, shift, torch.tensor([math.pi / 2]), torch.tensor([math.log(2.0)]))[0]
    points = made @ torch.tensor([[3.0, 4.0, 1.0], [4.0, 4.0, 1.0]]).T
    # The centre is shifted; what is one to its right comes two below it, for y points down.
    torch.testing.assert_close(points[:2].T, torch.tensor([[13.0, -1.0], [13.0, 1.0]]))


def test_affine_flow_reads_at_the_mapped_place() -> None:
    maps = torch.tensor([[[0.5, 0.1, 3.0], [-0.2, 0.7, 4.0], [0, 0, 1]]])
    flow = affine_flow(maps, 5, 6)
    x, y = 4, 2
    assert flow.shape == (1, 2, 5, 6)
    torch.testing.assert_close(flow[0, :, y, x] + torch.tensor([x, y]), maps[0, :2] @ torch.tensor([x, y, 1.0]))


def test_a_square_in_front_hides_what_the_background_moves_behind_it() -> None:
    first = torch.zeros(1, 64, 64, dtype=torch.int32)
    first[:, 10:20, 10:20] = 1
    last = torch.zeros_like(first)
    last[:, 12:22, 30:40] = 1
    truth = Truth(_layers([[4.0, 0.0], [20.0, 2.0]]), first, last)
    flow, back = truth.flow(), truth.flow_back()
    assert flow[0, :, 15, 15].tolist() == [20, 2]
    assert flow[0, :, 40, 40].tolist() == [4, 0]
    assert back[0, :, 15, 35].tolist() == [-20, -2]
    visible, visible_back = truth.seen(flow, back)
    expected = torch.ones(64, 64)
    expected[:, 60:] = 0  # leaves the frame
    expected[12:22, 26:36] = 0  # comes under the square
    expected[10:20, 10:20] = 1  # the square itself
    assert torch.equal(visible[0, 0], expected)
    hidden = torch.ones(64, 64)
    hidden[:, :4] = 0
    hidden[10:20, 14:24] = 0
    hidden[12:22, 30:40] = 1
    assert torch.equal(visible_back[0, 0], hidden)


def test_half_a_pixel_of_cover_hides() -> None:
    first = torch.zeros(1, 8, 16, dtype=torch.int32)
    last = first.clone()
    last[:, :, 8:] = 1
    for shift, seen in ((0.4, 1.0), (0.6, 0.0)):
        truth = Truth(_layers([[shift, 0.0], [0.0, 0.0]]), first, last)
        visible, _ = truth.seen(truth.flow(), truth.flow_back())
        assert float(visible[0, 0, 4, 7]) == seen


def test_bending_fields_are_no_steeper_than_asked() -> None:
    nodes = torch.randn(20, 2, 3, 3)
    pitch = torch.full((20,), 7.0)
    field = smooth_fields(nodes, torch.full((20,), STEEPEST), pitch)
    a, b = torch.rand(2, 20, 500, 2) * CELLS
    b = a + 0.05 * (b - a)

    def read(points: torch.Tensor) -> torch.Tensor:
        flow = points.permute(0, 2, 1)[:, :, None] - torch.stack([torch.arange(500.0), torch.zeros(500)])[:, None]
        return backward_warp(field, flow, padding="border")[:, :, 0].permute(0, 2, 1)

    slope = (read(a) - read(b)).abs().amax(-1) / (7.0 * (a - b).abs().amax(-1))
    assert float(slope.max()) < STEEPEST * 1.01
    assert float(slope.amax(1).min()) > STEEPEST / 4  # and not flat either


def test_there_and_back_meet_within_a_hundredth_of_a_pixel() -> None:
    bend = smooth_fields(torch.randn(2, 2, 3, 3), torch.tensor([STEEPEST, STEEPEST]), torch.full((2,), 80 / CELLS))
    layers = _layers([[5.3, -2.2], [0.0, 0.0]], bend)
    layers.chain[:, 0, 4:] = torch.tensor([[0.1, 0.05], [-0.3, 0.1]])
    layers.chain[:, 0, :2] = 32
    for layer in (0, 1):
        only = torch.full((1, 64, 64), layer, dtype=torch.int32)
        truth = Truth(layers, only, only)
        flow, back = truth.flow().double(), truth.flow_back().double()
        assert float(bend[layer].abs().max()) > 0.5  # there is something to invert
        # Where p goes, the field there and the inverse map lead back to p: solved anew in float64.
        y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
        there = torch.stack([x, y])[None].double() + flow
        inverse = torch.linalg.inv(layers.moved(torch.ones(2, dtype=torch.float64)))[layer]
        r = torch.einsum("ij,bjhw->bihw", inverse[:2, :2], there) + inverse[:2, 2].reshape(1, 2, 1, 1)
        nodes = (r + 8) * CELLS / 80
        bent = r + backward_warp(bend[layer : layer + 1].double(), nodes - torch.stack([x, y])[None], padding="border")
        assert float((bent - torch.stack([x, y])).abs().max()) < 1e-2
        # And the flow back, read there, is the flow there turned round, but for what lies between pixels.
        inside = ((there >= 1) & (there <= 62)).all(dim=1, keepdim=True)
        miss = (flow + backward_warp(back, flow.double())).norm(dim=1, keepdim=True)[inside]
        assert float(miss.max()) < 0.05 and float(miss.mean()) < 0.01


@pytest.mark.parametrize("size", [(64, 96), (256, 256)])
def test_scenes_of_several_samples_are_joined(size: tuple[int, int]) -> None:
    scenes = [draw_scene(size, generator_of(1, sample)) for sample in range(3)]
    joined = Layers.joined([scene.layers for scene in scenes])
    counts = [len(scene.side) for scene in scenes]
    assert joined.sample.tolist() == [index for index, count in enumerate(counts) for _ in range(count)]
    half = torch.full((sum(counts),), 0.5, dtype=torch.float64)
    parts = [scene.layers.moved(half[: len(scene.side)]) for scene in scenes]
    torch.testing.assert_close(joined.moved(half), torch.cat(parts))
    torch.testing.assert_close(joined.moved(0 * half), torch.eye(3, dtype=torch.float64).expand(sum(counts), 3, 3))
