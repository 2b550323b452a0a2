"""One market over several computers: made by a code, cut apart, healed, and with a member put out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from peer.bench.hosts import Network
from tests.network.computers import Computer, Computers, join
from tests.peer.cli.processes import wait_until

SHOUT = '@worker("shout", price={price})\ndef shout(text: str) -> str:\n    return text.upper()\n'
HELLO = ("announce", "shout", '{"text": "hello"}', "--budget", "10", "--patience", "20")
HEAL_S = 60.0
"""Well above what a healed partition may take: how long it does take is measured by `scripts/bench network`."""


def shouting(computer: Computer, name: str, price: int) -> None:
    """Start a peer that shouts."""
    computer.agents(SHOUT.format(price=price), f"{name}.py")
    computer.start("run", f"{name}.py").wait_for("Ctrl-C")


@pytest.fixture
def market(computers: Computers) -> Iterator[Computers]:
    """A market that b and c have joined by a's codes; a governs it, b and c shout, and a watches."""
    computers.joined = join(computers["a"], computers["b"], computers["c"])
    for name, price in (("b", 7), ("c", 5)):
        shouting(computers[name], f"shouter-{name}", price)
    return computers


def test_tasks_are_settled_across_computers_and_ratified(market: Computers) -> None:
    """Whoever announces where: what was found is multicast's word alone, and the proof holds for anybody."""
    watching = market["a"].watch()
    watching.sees("shouter-b", "shouter-c", "governor")
    assert watching.ways("shouter-c") <= {"mdns", "exchange", "remembered", "hello"}
    for name in "abc":
        done = market[name].json(*HELLO, "--effect", "reversible")
        assert (done["value"], done["proof_ok"]) == ("HELLO", True)


def test_work_goes_on_in_a_partition_and_heals_also_for_who_began_in_it(market: Computers) -> None:
    """The others lose the lonely one, trade on, and find it again, with a peer that they have never heard of."""
    a, c = market["a"], market["c"]
    watching = a.watch()
    watching.sees("shouter-b", "shouter-c")
    market.cut("c")
    watching.misses("shouter-c")
    assert a.json(*HELLO)["winner_name"] == "shouter-b"
    shouting(c, "newcomer", 3)
    market.heal("c")
    watching.sees("shouter-c", "newcomer", patience_s=HEAL_S)
    assert a.json(*HELLO)["value"] == "HELLO"


def test_a_revoked_computer_is_lost_to_all_others_and_stays_so(market: Computers) -> None:
    """The list goes from the authority to everybody, that computer included; nobody who begins there is let in."""
    a, b, c = (market[name] for name in "abc")
    watching = b.watch()
    watching.sees("shouter-c")
    a("member", "revoke", market.joined["c"], "--force")
    watching.misses("shouter-c")
    assert b.json(*HELLO)["winner_name"] == "shouter-b"
    wait_until(lambda: c.json("charter", "show")["version"] == 2)
    c("run", c.agents(SHOUT.format(price=1), "newcomer.py"), code=8)
    (c.folder / "home" / "markets" / "fair" / "charter-2.vendue").unlink()  # it would rather not have heard
    shouting(c, "newcomer", 1)
    shouting(b, "latecomer", 3)
    watching.sees("latecomer")
    assert b.json(*HELLO)["winner_name"] in ("shouter-b", "latecomer")
    assert not watching.here & {"shouter-c", "newcomer"}


@pytest.mark.parametrize("v4", [True, False], ids=["both families", "IPv6 alone"])
def test_a_computer_on_two_bridges_is_reached_from_both(network: Network, tmp_path: Path, v4: bool) -> None:
    """It says all its addresses, and each side uses the one that it can reach; the sides do not see each other."""
    left, right = network.bridge(), network.bridge()
    hosts = [network.host("a", left, v4=v4), network.host("b", left, right, v4=v4), network.host("c", right, v4=v4)]
    with Computers(left, hosts, folder=tmp_path) as computers:
        a, b, c = (computers[name] for name in "abc")
        b.environment["VENDUE_INTERFACE"] = ",".join(hosts[1].addresses)
        join(b, a, c)
        shouting(b, "middle", 5)
        for outside in (a, c):
            assert outside.json(*HELLO)["value"] == "HELLO"
