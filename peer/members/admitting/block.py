"""Blocks of text that people carry from one computer to another: requests and certificates, as PEM is written.

-----BEGIN VENDUE REQUEST-----
base64 in lines of 64
-----END VENDUE REQUEST-----
"""

from __future__ import annotations

import base64
import binascii
import re
import sys
from pathlib import Path
from typing import Final

from protocol.errors import UsageError

TEXT_MAX: Final = 512 * 1024
"""Two charters full to their bounds, and a certificate."""
_LINE: Final = 64


def write_block(kind: str, content: bytes) -> str:
    """Write bytes for people to carry; `kind` is a word."""
    text = base64.b64encode(content).decode()
    lines = [text[at : at + _LINE] for at in range(0, len(text), _LINE)]
    return "\n".join([f"-----BEGIN VENDUE {kind}-----", *lines, f"-----END VENDUE {kind}-----"])


def read_block(kind: str, text: str) -> bytes:
    """Find the block of this kind in a text, whatever is around it. Raises UsageError."""
    found = re.search(
        rf"-----BEGIN VENDUE {kind}-----([A-Za-z0-9+/=\s]*)-----END VENDUE {kind}-----", text[: TEXT_MAX + 1]
    )
    if found is not None and len(text) <= TEXT_MAX:
        try:
            return base64.b64decode(re.sub(r"\s", "", found[1]), validate=True)
        except binascii.Error:
            pass
    raise UsageError(
        f"There is no {kind.lower()} in what was given.",
        why=f"It begins with -----BEGIN VENDUE {kind}----- and ends with -----END VENDUE {kind}-----.",
        do="Copy all of it, both lines included.",
    )


def read_text(file: str) -> str:
    """Read a file, or standard input if it is called -. Raises UsageError."""
    try:
        if file == "-":
            return sys.stdin.read(TEXT_MAX + 1)
        with Path(file).open(encoding="utf-8") as stream:
            return stream.read(TEXT_MAX + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The file {file} cannot be read.", why=f"{error}.") from None
