"""Certificates that do not count now, and may again: under another charter, at another time, or where there is room."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from protocol import limits
from protocol.certificate import Certified


class Drawer:
    """Certificates whose signatures hold: by their bytes, and by transport key."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, Certified] = OrderedDict()
        self._of: dict[bytes, list[Certified]] = {}

    def __contains__(self, raw: bytes) -> bool:
        return raw in self._kept

    def __iter__(self) -> Iterator[Certified]:
        return iter(self._kept.values())

    def of(self, transport_key: bytes) -> list[Certified]:
        return self._of.get(transport_key, [])

    def put(self, certified: Certified) -> None:
        """Keep one; the oldest goes when there is no room: whoever needs it shows it again."""
        if certified.raw in self._kept:
            return
        if len(self._kept) >= limits.CERTIFICATES_KEPT:
            self.take_out(next(iter(self._kept.values())))
        self._kept[certified.raw] = certified
        self._of.setdefault(certified.certificate.transport_key, []).append(certified)

    def take_out(self, certified: Certified) -> None:
        if self._kept.pop(certified.raw, None) is None:
            return
        key = certified.certificate.transport_key
        self._of[key] = [one for one in self._of[key] if one.raw != certified.raw]
        if not self._of[key]:
            del self._of[key]
