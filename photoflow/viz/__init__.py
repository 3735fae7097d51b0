"""Pictures that explain a clip: its flow, mask, trajectories and frames. Needs numpy and OpenCV only."""

from photoflow.viz.flow_colour import colour_wheel_legend, flow_to_rgb, with_legend
from photoflow.viz.frames import strip
from photoflow.viz.overlay import overlay_mask
from photoflow.viz.slices import spectrum_plot, xt_slice
from photoflow.viz.trajectories import draw_trajectories, grid_points

__all__ = [
    "colour_wheel_legend",
    "draw_trajectories",
    "flow_to_rgb",
    "grid_points",
    "overlay_mask",
    "spectrum_plot",
    "strip",
    "with_legend",
    "xt_slice",
]
