"""Completion of clips: what is removed from every frame, and what is behind it."""
