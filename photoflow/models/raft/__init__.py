"""RAFT: Recurrent All-pairs Field Transforms for optical flow."""

from photoflow.models.raft.raft import PRESETS, RAFT

__all__ = ["PRESETS", "RAFT"]
