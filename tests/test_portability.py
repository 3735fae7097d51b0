"""What only some systems have is not needed to import photoflow, nor to read a file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ELSEWHERE = """
import builtins, importlib, os, pkgutil, select, signal, socket
POSIX = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
imported = builtins.__import__

def without(name, globals=None, locals=None, fromlist=(), level=0):
    if name.split(".")[0] in POSIX and str((globals or {}).get("__name__")).startswith("photoflow"):
        raise ImportError(f"{name}: this system has no such module")
    return imported(name, globals, locals, fromlist, level)

builtins.__import__ = without
"""
EVERY_MODULE = """
import photoflow
names = [m.name for m in pkgutil.walk_packages(photoflow.__path__, "photoflow.", onerror=lambda name: None)]
names = [name for name in names if not name.startswith("photoflow._C") and not name.endswith("__main__")]
assert len(names) > 200
for name in names:
    importlib.import_module(name)
"""
READING = """
del os.O_NONBLOCK, os.O_CLOEXEC, select.poll
from photoflow.io.reading import read_bytes
assert read_bytes("a file", "a file") == b"a\\r\\nb\\x1a"
"""


def test_every_module_is_imported_without_posix() -> None:
    done = subprocess.run([sys.executable, "-c", ELSEWHERE + EVERY_MODULE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_files_are_read_without_posix(tmp_path: Path) -> None:
    """In a process of its own: the flags are chosen as the module is imported."""
    (tmp_path / "a file").write_bytes(b"a\r\nb\x1a")
    done = subprocess.run([sys.executable, "-c", ELSEWHERE + READING], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
