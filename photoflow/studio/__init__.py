"""The studio: a page in the browser on which a person says how a photo moves, and the server behind it."""
