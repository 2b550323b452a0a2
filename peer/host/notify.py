"""Telling systemd how we are (sd_notify): one datagram for each word, and nothing where systemd did not ask for it."""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress


class Notifier:
    """Speaks to the socket in $NOTIFY_SOCKET, which is taken out of the environment: our children have no say."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        self._address = environment.pop("NOTIFY_SOCKET", "")
        limit_us, owner = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
        meant = owner in ("", str(os.getpid()))
        self.watchdog_s = int(limit_us) / 2_000_000 if self._address and meant and limit_us.isdecimal() else 0.0
        """How often WATCHDOG=1 is due: twice in the time that systemd waits for it. 0: it does not wait."""

    def tell(self, *words: str) -> None:
        """Say words such as READY=1; whoever does not listen is not waited for."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as saying:
            saying.setblocking(False)
            saying.sendto("\n".join(words).encode(), address)
