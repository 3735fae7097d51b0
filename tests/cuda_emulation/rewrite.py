"""CUDA's own syntax as C++: launches, shared memory, the registration of operators."""

from __future__ import annotations

import re
import shutil
from itertools import count
from pathlib import Path


def rewrite_sources(source: Path, target: Path) -> None:
    """Copy a folder `csrc` and rewrite what only a CUDA compiler reads.

    Args:
        source: the folder; it stays as it is.
        target: a folder that does not exist yet.

    Raises:
        ValueError: something of CUDA's syntax is left.
    """
    shutil.copytree(source, target)
    numbers = count()
    for path in [*sorted(target.glob("cuda/*")), target / "registration.cpp"]:
        text = rewritten(path.read_text(), numbers)
        for word in ("<<<", "__shared__", "__CUDA_ARCH__"):
            if word in text:
                raise ValueError(f"{path}: {word} where rewrite.py does not know it")
        header = "#include <cuda_runtime.h>\n" if path.suffix != ".cuh" else ""
        # Reports name places in csrc.
        path.write_text(f'{header}#line 1 "{path.relative_to(target)}"\n{text}')


def rewritten(text: str, numbers: count[int]) -> str:
    """Return the C++ of a CUDA source; `numbers` gives every shared array one of its own."""

    def shared(match: re.Match[str]) -> str:
        type_, name, sizes = match.groups()
        declared = f"using {name}_shared = {type_}{sizes}"
        return f"{declared}; {name}_shared& {name} = emulated::shared_here<{name}_shared>({next(numbers)});"

    text = launches(text)
    dynamic = r"\1* const \2 = static_cast<\1*>(emulated::dynamic_shared());"
    text = re.sub(r"extern __shared__ (\w+) (\w+)\[\];", dynamic, text)
    text = re.sub(r"__shared__ ([\w:<>, ]+?) (\w+)((?:\[[^;]*\])?);", shared, text)
    text = text.replace("STABLE_TORCH_LIBRARY_IMPL(photoflow, CUDA, m)", 'EMULATED_LIBRARY(IMPL, "CPU", m)')
    text = text.replace("STABLE_TORCH_LIBRARY(photoflow, m)", "EMULATED_LIBRARY(DEF, nullptr, m)")
    return architectures(text)


def launches(text: str) -> str:
    """Replace `kernel<<<grid, block, shared, stream>>>` by a call of EMULATED_LAUNCH, on as many lines."""
    while (at := text.find("<<<")) >= 0:
        begin = start_of_name(text, at)
        kernel, end = text[begin:at], text.index(">>>", at)
        grid, block, *rest = arguments(text[at + 3 : end])
        shared = rest[0] if rest else "0"
        one_line = [f"({' '.join(value.split())})" for value in (grid, block, shared)]
        name = kernel.replace(",", " EMULATED_COMMA")
        call = f'EMULATED_LAUNCH("{kernel}", {name}, {", ".join(one_line)})'
        text = text[:begin] + call + "\n" * text[at:end].count("\n") + text[end + 3 :]
    return text


def architectures(text: str) -> str:
    """Let both sides of an `#if` on the architecture, within a function, be compiled and one be chosen by a run."""
    condition = r"#if defined\(__CUDA_ARCH__\) && __CUDA_ARCH__ >= (\d+)\n(.*?)#else\n(.*?)#endif"
    chosen = r"if (emulated::architecture() >= \1) {\n\2} else {\n\3}"
    return re.sub(condition, chosen, text, flags=re.DOTALL)


def start_of_name(text: str, end: int) -> int:
    """Return where the name of a kernel begins, which has template arguments perhaps."""
    depth = 0
    while text[end - 1] == ">" or depth:
        end -= 1
        depth += (text[end] == ">") - (text[end] == "<")
    match = re.search(r"[\w:]+$", text[:end])
    if match is None:
        raise ValueError(f"no kernel before {text[end : end + 40]!r}")
    return match.start()


def arguments(text: str) -> list[str]:
    """Split at the commas that no bracket encloses."""
    parts, depth, begin = [], 0, 0
    for i, letter in enumerate(text):
        depth += (letter in "(<[{") - (letter in ")>]}")
        if letter == "," and depth == 0:
            parts.append(text[begin:i].strip())
            begin = i + 1
    return [*parts, text[begin:].strip()]
