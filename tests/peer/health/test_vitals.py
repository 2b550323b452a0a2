"""What a peer is made of tells for itself: a certificate that has expired, a part that fails."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from peer.health.vitals import Part, Vitals, certificate
from peer.launch import launch
from peer.settings import Settings


def test_a_certificate_is_ready_until_it_expires() -> None:
    """None is no fault where none is needed; after its time the peer is not ready, and says since when."""
    assert (certificate(lambda: None).tell()["seconds_left"], certificate(lambda: None).missing()) == (None, [])
    soon = certificate(lambda: int(time.time() * 1000) + 3_600_000)
    assert 3_500 < soon.tell()["seconds_left"] <= 3_600
    assert soon.missing() == []
    assert "expired" in certificate(lambda: 1).missing()[0]


async def test_a_part_that_fails_takes_no_other_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says instead is its error; a peer that cannot tell whether it is ready is not."""
    monkeypatch.setenv("VENDUE_HOME", str(tmp_path))

    def fail() -> list[str]:
        raise RuntimeError("it broke")

    async with launch(Settings(mdns=False), name="poet") as runtime:
        vitals = Vitals(runtime, name="poet", market="local", journal=tmp_path / "journal.db")
        assert vitals.ready()["ok"] is True
        vitals.add(Part("lamp", lambda: {"lit": fail()}, fail))
        status = vitals.status()
        assert "it broke" in status["lamp"]["error"]
        assert status["work"]["accepted"] == 0
        assert (status["ready"]["ok"], status["health"]["ok"]) == (False, True)
