"""Docstrings begin with a verb: "Return …", "Measure …"; not with an article, a relative clause or a riddle."""

import ast
from pathlib import Path

import photoflow

PACKAGE = Path(photoflow.__file__).parent
QUESTIONS = {"How", "What", "When", "Where", "Whether", "Which", "Who", "Whose"}
NO_VERBS = QUESTIONS | {
    "A", "All", "An", "As", "Both", "By", "Each", "Every", "For", "From", "If", "In", "It", "Its", "No", "Not", "Of",
    "On", "One", "The", "This", "To", "With",
}  # fmt: skip


def openings(path):
    """The line and the first word of every docstring in a file, and whether it is a function's."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node)
            if text:
                is_function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
                yield getattr(node, "lineno", 1), text.split()[0].strip(".,:;\"'`"), is_function


def test_docstrings_begin_with_a_verb():
    wrong, count = [], 0
    for path in sorted(PACKAGE.rglob("*.py")):
        for line, word, is_function in openings(path):
            count += 1
            refused = NO_VERBS if is_function else QUESTIONS
            if word in refused or (is_function and not word[:1].isupper()):
                wrong.append(f"{path.relative_to(PACKAGE.parent)}:{line}: {word}")
    assert count > 1000 and wrong == []
