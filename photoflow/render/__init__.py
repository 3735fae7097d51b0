"""Rendering: a photo and a flow become a frame."""
