"""Fixtures of the portraits' tests."""

from portrait_fixtures import faces, photos, tiny

__all__ = ["faces", "photos", "tiny"]
