"""The compiled operators of photoflow. Importing this module registers them as torch.ops.photoflow.*."""

def build() -> dict[str, str]:
    """CUDA version, architectures (joined by '_') and SIMD level of this build; "none" without CUDA."""
