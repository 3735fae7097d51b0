"""Extension of griffe, which reads docstrings for the site: examples become code, and sources paragraphs."""

import re

import griffe

EXAMPLE = re.compile(r"(?:^(?: *)(?:>>>|\.\.\.) .*\n?(?:^(?! *>>>) *\S.*\n?)*)+", re.MULTILINE)
SOURCE = re.compile(r"^Source: (.*(?:\n[ ]+.*|\n\S.*)*)", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Rewrite what Markdown would read otherwise: a line that begins with >>> as a quotation, "Source:" as a title."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        if obj.docstring is not None:
            text = EXAMPLE.sub(lambda found: f"```pycon\n{found[0].rstrip()}\n```\n", obj.docstring.value)
            obj.docstring.value = SOURCE.sub(lambda found: "**Source:** " + re.sub(r"\s*\n\s*", " ", found[1]), text)
