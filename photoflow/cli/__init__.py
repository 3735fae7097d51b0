"""The command line, one command per file: each parses its arguments, calls the library, and reports the result."""

from __future__ import annotations

import os
import signal

EXIT_INTERRUPTED = 130


def main() -> None:
    """Run the command line; see `photoflow.cli.app.main`.

    Nothing is imported before this, so that an interrupt while the commands are loaded ends without a traceback, too.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(EXIT_INTERRUPTED))
    from photoflow.cli import commands
    from photoflow.cli.app import main as run

    assert commands
    run()
