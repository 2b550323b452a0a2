"""Ctrl-C while a command is still being loaded.

Python raises it wherever it is just then, and where an exception has nowhere to go, in the finalizer of an object for
example, it is lost: the command would go on as if nobody had asked it to stop. So it is noted as well.
"""

from __future__ import annotations

import signal
from types import FrameType

_asked = False


def note() -> None:
    """Note Ctrl-C from now on; where it is ignored, as in the background of a shell, it stays so."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _ask)


def give_back() -> None:
    """Let Ctrl-C be whoever comes next's business. Raises KeyboardInterrupt if it was asked, and lost."""
    global _asked
    if signal.getsignal(signal.SIGINT) is _ask:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    asked, _asked = _asked, False
    if asked:
        raise KeyboardInterrupt


def _ask(number: int, frame: FrameType | None) -> None:
    global _asked
    _asked = True
    signal.default_int_handler(number, frame)
