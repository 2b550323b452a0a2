"""Where the health socket of a home is: found from the home alone, by whoever runs on it and whoever asks.

    <runtime folder>/health/NAME-<12 digits>.sock

The name of a Unix socket has room for some hundred bytes, and a runtime folder may be anywhere: where it is too deep,
the socket goes to a private folder of this user in /tmp instead.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

from peer.home import private_directory

SOCKET_BYTES_MAX: Final = 103
"""What every system takes: Linux has 107 bytes and a zero, macOS 103."""
NAME_SHOWN: Final = 20
SHORT: Final = Path("/tmp")


def health_socket(home: Path, runtime: Path) -> Path:
    """The socket of the peer whose home is `home`, where `runtime` is the runtime folder; its folder is made.

    Raises BadConfig where the folder is another user's, or open to others.
    """
    digits = hashlib.sha256(os.fsencode(home.absolute())).hexdigest()[:12]
    path = runtime.absolute() / "health" / f"{home.name[:NAME_SHOWN]}-{digits}.sock"
    if len(os.fsencode(path)) > SOCKET_BYTES_MAX:
        path = SHORT / f"vendue-{os.geteuid()}" / "health" / path.name
    private_directory(path.parent, secret=True)
    return path
