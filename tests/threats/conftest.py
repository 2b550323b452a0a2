"""Threats, each a story with a test: what an attacker has, what it does, and what holds all the same.

    outsider connects                            test_outsider_connects
    raw TCP, idle and garbage                    test_raw_tcp
    eavesdropper                                 test_eavesdropper
    forged mDNS record, mDNS flood               test_forged_mdns_record, test_mdns_flood
    member floods                                test_member_floods
    bids under another's key                     test_bids_under_anothers_key
    statement replayed                           test_statement_replayed
    second use of an invitation                  test_second_use_of_an_invitation
    revoked member with a live session           test_revoked_member
    expired certificate                          test_expired_certificate
    older charter or revocation list             test_older_charter
    huge, many-framed, nested, truncated         test_malformed_messages
    subscription flood                           test_subscription_flood
    slow and stopped subscriber                  test_stopped_subscriber
    file descriptors used up                     test_descriptor_exhaustion
    lobby flood                                  test_lobby_flood
    key file readable by others                  test_key_file_readable_by_others
    secrets searched for                         test_secrets_searched_for
    routing-id squatting                         test_routing_id_squatting
    transport-key squatting                      test_transport_key_squatting
    two processes on one home                    test_two_processes_on_one_home

The peers are real, and on loopback (`stage`). Attackers are plain sockets (`attacker`), a member in bad hands
(`rogue`), who writes into mDNS (`forger`), and who sees every packet (`eavesdropper`). That others go on is shown by
auctions that settle during the attack. Most attacks have a counter-check: the same, with a right key, succeeds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.peer.cli.processes import Vendue
from tests.threats.stage import Stage, staged


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A market by invitation with a worker and a caller, who have settled one auction."""
    async with staged(tmp_path) as market:
        yield market


@pytest.fixture
def vendue(tmp_path: Path) -> Iterator[Vendue]:
    """The command line, in a home of this test's own; a stage in the same folder shares it."""
    command = Vendue(tmp_path)
    yield command
    command.close()
