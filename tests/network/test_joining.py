"""From one computer to two, over a bridge: found by multicast, or at a seed."""

from __future__ import annotations

import pytest

from tests.network.computers import Computers

SHOUT = '@worker("shout", price=5)\ndef shout(text: str) -> str:\n    return text.upper()\n'


@pytest.mark.parametrize("multicast", [True, False])
def test_a_code_is_enough_to_join_over_a_network(computers: Computers, multicast: bool) -> None:
    """Who joins says nothing about its own network: it is reached where the admitter was. Without multicast: --seed."""
    a, b = computers["a"], computers["b"]
    a("init", "fair", "--interface", a.host.addresses[0])
    a.start("govern").wait_for("Ctrl-C")
    for computer in (a, b):
        computer.environment["VENDUE_MDNS"] = str(multicast).lower()
        del computer.environment["VENDUE_INTERFACE"]
    invited = a.json("invite")
    seed = [] if multicast else ["--seed", invited["seeds"][0]]
    joined = b.json("join", invited["code"], *seed)
    assert b.host.addresses[0] in joined["hosts"]
    b.agents(SHOUT)
    b.start("run", "agents.py").wait_for("Ctrl-C")
    done = a.json("announce", "shout", '{"text": "hello"}', "--budget", "10", "--patience", "10")
    assert (done["value"], done["proof_ok"]) == ("HELLO", True)
