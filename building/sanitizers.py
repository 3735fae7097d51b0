"""Flags that compile the CPU operators with the compiler's sanitizers, for tests."""

from __future__ import annotations

import re

# What each adds to its own check. A number too large for the integer it becomes is undefined too, but no part of GCC's
# "undefined", and it is what a huge flow would do; a finding ends the process, so that a test fails.
EXTRAS = {
    "address": (),
    "undefined": ("-fsanitize=float-cast-overflow", "-fno-sanitize-recover=undefined,float-cast-overflow"),
}


def wanted_sanitizers(text: str) -> list[str]:
    """Return the sanitizers that a list such as "address,undefined" names, in a fixed order.

    Raises:
        ValueError: It names another.
    """
    names = re.split(r"[\s,]+", text.strip()) if text.strip() else []
    for name in names:
        if name not in EXTRAS:
            raise ValueError(f"PHOTOFLOW_SANITIZE: expected {' or '.join(EXTRAS)}, separated by commas, got {name!r}")
    return [name for name in EXTRAS if name in names]


def compile_flags(sanitizers: list[str]) -> list[str]:
    """Return the compiler's flags: those that follow overrule the usual optimisation, which would take very long."""
    if not sanitizers:
        return []
    checks = [flag for name in sanitizers for flag in (f"-fsanitize={name}", *EXTRAS[name])]
    return ["-O1", "-g1", "-fno-omit-frame-pointer", *checks]


def link_flags(sanitizers: list[str]) -> list[str]:
    """Return the linker's flags."""
    return [f"-fsanitize={','.join(sanitizers)}"] if sanitizers else []
