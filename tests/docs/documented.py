"""The code blocks of the documentation, and the commands in them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]
_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_VARIABLE = re.compile(r"(\w+)=\$\(python -c \"(.*)\"\)")
_SETTING = re.compile(r"[A-Z_]+=")


@dataclass(frozen=True)
class Block:
    """A block of code in a page: where its first line is, and what it says."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Command:
    """A command as a shell runs it: its words, and the file that it reads from standard input."""

    words: tuple[str, ...]
    stdin: str | None = None
    stdout: str | None = None

    def __str__(self) -> str:
        return shlex.join(self.words)


def blocks(language: str) -> list[Block]:
    """Return all blocks of a language, in the order of pages and lines."""
    found = []
    for page in PAGES:
        text = page.read_text()
        for match in _BLOCK.finditer(text):
            if match[2] == language:
                line = text.count("\n", 0, match.start(3)) + 1
                lines = [one.removeprefix(match[1]) for one in match[3].splitlines()]
                found.append(Block(str(page.relative_to(ROOT)), line, language, "\n".join(lines)))
    return found


def without_repeats(found: list[Block]) -> list[Block]:
    """Return the shell blocks in which there is a command that stands in no block before."""
    kept, seen = [], set()
    for block in found:
        new = {str(command) for command in commands(block.text)} - seen
        if new:
            kept.append(block)
            seen |= new
    return kept


def commands(text: str) -> list[Command]:
    """Return the commands of a shell block; settings of variables before a command are left out.

    A line that sets a variable to what Python prints is the command `variable NAME CODE`.
    """
    found = []
    for line in _lines(text):
        if variable := _VARIABLE.fullmatch(line):
            found.append(Command(("variable", variable[1], variable[2])))
            continue
        words: list[str] = []
        for token in [*_tokens(line), ";"]:
            if token not in ("&&", "||", ";", "|", "&"):
                words.append(token)
                continue
            while words and _SETTING.match(words[0]):
                words.pop(0)
            if words:
                found.append(_command(words))
            words = []
    return found


def _tokens(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|<>")
    lexer.whitespace_split = True
    return list(lexer)


def _lines(text: str) -> list[str]:
    """Return lines with what continues them: after a backslash, after &&, within quotes."""
    lines, held = [], ""
    for line in text.splitlines():
        held = f"{held}\n{line}" if held else line
        if held.endswith("\\"):
            held = held[:-1] + " "
            continue
        try:
            tokens = _tokens(held)
        except ValueError:  # an open quote
            continue
        if not tokens or tokens[-1] != "&&":
            lines.append(held)
            held = ""
    assert not held, f"a command without an end: {held}"
    return lines


def _command(words: list[str]) -> Command:
    redirected = {}
    for sign in ("<", ">"):
        if sign in words:
            at = words.index(sign)
            redirected[sign] = words[at + 1]
            del words[at : at + 2]
    return Command(tuple(words), redirected.get("<"), redirected.get(">"))
