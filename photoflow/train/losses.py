"""Losses that networks are trained with. All is computed in float32, whatever precision a network runs in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from photoflow.models.vgg import VGG19Features
from photoflow.weights.loading import locate

SPAN = 2.0
"""The factor for differences of images: the papers' images lie in [-1, 1], those here in [0, 1]."""


def l1(first: Tensor, second: Tensor) -> Tensor:
    """Return the mean absolute difference of two tensors of one shape: a scalar."""
    return (first.float() - second.float()).abs().mean()


def charbonnier(first: Tensor, second: Tensor, eps: float = 1e-3) -> Tensor:
    """Return the mean of sqrt(d^2 + eps^2), d the difference of two tensors of one shape: L1, but smooth at 0.

    Source: Charbonnier et al., "Two deterministic half-quadratic regularization algorithms", ICIP 1994.
    """
    return ((first.float() - second.float()).square() + eps**2).sqrt().mean()


def census(first: Tensor, second: Tensor, side: int = 7) -> Tensor:
    """Return the soft Hamming distance of two images' census transforms, 0 to 1: blind to an offset of the brightness.

    The transform of a pixel is how much each pixel of the square around it is brighter than it. Pixels whose square is
    not whole do not count.

    Args:
        first: (B, C, H, W), RGB in [0, 1], sides of at least `side`; its brightness is the channels' mean.
        second: of the same shape.
        side: of the square, odd.

    Source: Meister et al., "UnFlow: Unsupervised Learning of Optical Flow with a Bidirectional Census Loss", AAAI 2018,
    section 3.2, and its constants. Deviation: the brightness is in [0, 1] and not in [0, 255], as the trainings of
    IFRNet and AMT have it: so the distance is of the size of the L1 beside it.
    """
    with torch.autocast(first.device.type, enabled=False):
        apart = (_transformed(first.float(), side) - _transformed(second.float(), side)).square()
        return (apart / (apart + 0.1)).mean()


def _transformed(image: Tensor, side: int) -> Tensor:
    """Return the census transform (B, side^2, N) of the N pixels whose square is whole, in (-1, 1)."""
    around = functional.unfold(image.mean(1, keepdim=True), side)
    difference = around - around[:, side**2 // 2, None]
    return difference / (difference.square() + 0.81).sqrt()


WITHOUT_VGG = "the weights of VGG-19 are not on this machine: trained without L_vgg"


def vgg_distance(device: str) -> Callable[[Tensor, Tensor], Tensor] | None:
    """Return L1 between VGG-19's features of a drawn and of a wanted image, as a function of both; None where its
    weights are not on this machine."""
    found = locate("vgg19")
    if found is None:
        return None
    features = VGG19Features(found).to(device).eval()

    def distance(drawn: Tensor, real: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = features(real)
        return l1(features(drawn), wanted)

    return distance


def laplacian_pyramid(image: Tensor, levels: int) -> list[Tensor]:
    """Split an image into its details, from fine to coarse, and the rest.

    Args:
        image: (B, C, H, W).
        levels: at least 1; those whose picture would be smaller than 4 pixels are left out.

    Returns:
        `levels` tensors or fewer: the differences to the blurred image at H, H / 2, ..., then the rest.

    Source: Burt and Adelson, "The Laplacian Pyramid as a Compact Image Code", IEEE Trans. Communications 1983;
    enlarged bilinearly.
    """
    taps = image.new_tensor([1, 4, 6, 4, 1]) / 16
    kernel = torch.outer(taps, taps).expand(image.shape[1], 1, 5, 5)
    details = []
    for _ in range(levels - 1):
        if min(image.shape[2:]) < 8:
            break
        bordered = functional.pad(image, (2, 2, 2, 2), mode="reflect")
        smaller = functional.conv2d(bordered, kernel, stride=2, groups=image.shape[1])
        size = image.shape[2:]
        details.append(image - functional.interpolate(smaller, size=size, mode="bilinear", align_corners=False))
        image = smaller
    return [*details, image]


def laplacian_l1(first: Tensor, second: Tensor, levels: int = 5) -> Tensor:
    """Return the sum over the levels of a Laplacian pyramid of their mean absolute difference.

    Args:
        first: (B, C, H, W), any floating-point dtype.
        second: of the same shape.
        levels: of the pyramid.

    Source: Niklaus and Liu, "Context-aware Synthesis for Video Frame Interpolation", CVPR 2018, section 3.3.
    Deviation: levels count alike, as in RIFE, so that the coarse ones, which are small, are heard.
    """
    with torch.autocast(first.device.type, enabled=False):
        difference = laplacian_pyramid(first.float() - second.float(), levels)  # a pyramid is linear
        return torch.stack([level.abs().mean() for level in difference]).sum()


def multi_scale_gradient(first: Tensor, second: Tensor, scales: int = 4) -> Tensor:
    """Return the mean absolute difference of the gradients of two planes, summed over sizes that are halved.

    Args:
        first: (B, C, H, W), any floating-point dtype.
        second: of the same shape.
        scales: how many sizes; those with a side below 2 pixels are left out.

    Source: Li and Snavely, "MegaDepth", CVPR 2018, equation (4): every second pixel is taken for the next scale.
    """
    difference = first.float() - second.float()
    total = difference.new_zeros(())
    for _ in range(scales):
        if min(difference.shape[2:]) < 2:
            break
        total = total + difference.diff(dim=2).abs().mean() + difference.diff(dim=3).abs().mean()
        difference = difference[:, :, ::2, ::2]
    return total


def sequence_l1(flows: Sequence[Tensor], target: Tensor, valid: Tensor, gamma: float = 0.8) -> Tensor:
    """Return the sum over a network's updates of gamma^(N - i) times the mean absolute difference to the true flow.

    Args:
        flows: N flows (B, 2, H, W), the last one the best.
        target: the true flow (B, 2, H, W), pixels.
        valid: (B, 1, H, W), the share each pixel has; the mean is over all pixels, so that every batch weighs the
            same however many it has to leave out.
        gamma: at most 1.

    Source: Teed and Deng, "RAFT", ECCV 2020, equation (7).
    """
    kept = valid > 0
    total = target.new_zeros(())
    for update, flow in enumerate(reversed(flows)):
        # Not a product: a flow that is unknown may be NaN.
        difference = torch.where(kept, (flow.float() - target).abs(), 0) * valid
        total = total + gamma**update * difference.mean()
    return total


def distilled(coarse: Sequence[Tensor], fine: Tensor, target: Tensor) -> Tensor:
    """Return the distance of coarse flows to a measured one, which counts the less the less it is trusted.

    It is trusted where the finest flows agree with it, to p = exp(-0.3 times their distance in pixels). A difference d
    costs (d^2 + eps^2)^(p / 2), eps = 10^((1 - 10 p) / 3): |d| where p is 1, and the same whatever d is where p is 0.

    Args:
        coarse: flows (B, 2, h, w), pixels of their own size, which H and W are a multiple of.
        fine: the finest ones, (B, N, 2, H, W); the one that agrees least is heard.
        target: the measured flow, (B, 2, H, W).

    Source: Kong et al., "IFRNet: Intermediate Feature Refine Network for Efficient Frame Interpolation", CVPR 2022,
    section 3.3, for one finest flow.
    """
    with torch.no_grad():
        trust = (-0.3 * (fine.float() - target[:, None]).norm(dim=2, keepdim=True).amax(1)).exp()
        eps = 10 ** ((1 - 10 * trust) / 3)
    total = target.new_zeros(())
    for flow in coarse:
        scale = target.shape[3] / flow.shape[3]
        enlarged = functional.interpolate(flow.float(), target.shape[2:], mode="bilinear", align_corners=False) * scale
        total = total + ((enlarged - target).square() + eps.square()).pow(trust / 2).mean()
    return total


def gradient_penalty(score: Callable[[Tensor], Tensor], real: Tensor, drawn: Tensor, share: Tensor) -> Tensor:
    """Return the mean of (|gradient of the score| - 1)^2 at places between real and drawn images.

    Computed in float32, out of autocast: in half precision the gradient of a gradient is mostly rounding. (How a GPU
    multiplies float32 in convolutions is torch's setting `torch.backends.cudnn.allow_tf32`.)

    Args:
        score: a critic: candidates (B, 3, H, W) -> scores (B, ...), whose mean is an image's score.
        real: (B, 3, H, W), RGB in [0, 1].
        drawn: of the same shape.
        share: of the real image in each place, (B, 1, 1, 1) in [0, 1].

    Source: Gulrajani et al., "Improved Training of Wasserstein GANs", NeurIPS 2017, algorithm 1; images are in
    [-1, 1] there.
    """
    with torch.autocast(real.device.type, enabled=False), torch.enable_grad():
        between = torch.lerp(drawn.detach().float(), real.float(), share).requires_grad_(True)
        total = score(between).flatten(1).mean(1).sum()
        (gradient,) = torch.autograd.grad(total, between, create_graph=True)
        penalty: Tensor = (gradient.flatten(1).norm(dim=1) / SPAN - 1).square().mean()
    return penalty


def psnr(drawn: Tensor, real: Tensor) -> Tensor:
    """Return the mean over images of -10 log10(mean squared difference), RGB in [0, 1]: a scalar without a gradient."""
    with torch.no_grad():
        squared = (drawn.float().clamp(0, 1) - real.float()).square().flatten(1).mean(1)
        return -10 * squared.clamp_min(1e-10).log10().mean()
