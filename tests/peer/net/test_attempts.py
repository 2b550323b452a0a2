"""What knocking came to is kept, a bounded number of each path."""

from __future__ import annotations

from peer.net.meet.attempts import KEPT_MAX, Attempt, Attempts, Outcome
from peer.net.meet.places import Way
from tests.peer.net.meeting import peer_id


def test_a_flood_on_one_path_drives_out_nothing_of_another() -> None:
    """Anybody can name places by multicast; what a seed answered stays."""
    attempts = Attempts()
    attempts.note(Attempt("tcp://192.0.2.1:1", Way.SEED, None, Outcome.ANSWERED, who=peer_id(1)))
    for port in range(2 * KEPT_MAX):
        attempts.note(Attempt(f"tcp://192.0.2.2:{port + 1}", Way.MDNS, peer_id(2), Outcome.SILENT))
    assert len(list(attempts)) == KEPT_MAX + 1
    assert [attempt.way for attempt in attempts.of(peer_id(1))] == [Way.SEED]
    assert attempts.of(peer_id(2))[-1].address.endswith(f":{2 * KEPT_MAX}")


def test_a_phrase_has_the_rule_that_was_broken() -> None:
    """For a table of people, in one line."""
    attempt = Attempt("tcp://192.0.2.1:1", Way.SEED, None, Outcome.REFUSED, "member is revoked")
    assert attempt.phrase == "it refuses us: member is revoked"
