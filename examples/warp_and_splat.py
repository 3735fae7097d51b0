"""How do I use the operators by themselves?"""

import torch

from photoflow import ops

# A bright square on a dark picture, and a flow that moves every pixel by 5 to the right and 2 down.
image = torch.zeros(1, 3, 48, 64)
image[:, :, 10:20, 10:20] = 1
flow = torch.tensor([5.0, 2.0]).view(1, 2, 1, 1).expand(1, 2, 48, 64).contiguous()

# Forward: every pixel is sent along its flow. Backward: every pixel is fetched from where the flow points.
moved, coverage = ops.forward_splat(image, flow, mode="average")
back = ops.backward_warp(moved, flow)
print("the square after splatting starts at", moved[0, 0].nonzero()[0].tolist(), "- expected [12, 15]")
print("fetched back it differs by", float((back - image).abs()[:, :, :40, :50].max()))

# Which pixels of a can be seen in b? Those whose forward and backward flow agree.
visible, _ = ops.occlusion(flow, -flow)
print(f"{float(visible.mean()):.0%} of the pixels stay inside the picture")

# Both directions have gradients: here, the flow that explains a displacement is found by descent.
guess = torch.zeros_like(flow, requires_grad=True)
smooth = torch.nn.functional.avg_pool2d(image, 9, 1, 4), torch.nn.functional.avg_pool2d(moved, 9, 1, 4)
descent = torch.optim.Adam([guess], lr=0.2)
for _ in range(150):
    descent.zero_grad()
    whole = guess.mean(dim=(2, 3), keepdim=True).expand_as(flow)
    (ops.backward_warp(smooth[1], whole) - smooth[0]).square().sum().backward()
    descent.step()
print("found by descent:", [round(v, 2) for v in guess.mean(dim=(2, 3))[0].tolist()], "- expected [5.0, 2.0]")
