"""One market over three computers."""

from __future__ import annotations

from tests.network.computers import Computers

SHOUT = '@worker("shout", price={price})\ndef shout(text: str) -> str:\n    return text.upper()\n'


def test_peers_of_three_computers_meet_by_mdns_and_trade(computers: Computers) -> None:
    """They know nothing of each other beforehand but the market."""
    a, b, c = (computers[name] for name in "abc")
    a.json("peers", code=3)  # the first command of a user founds the market
    computers.share("local", founder="a")
    for price, computer in ((7, b), (5, c)):
        computer.agents(SHOUT.format(price=price), f"shouter-{price}.py")
        computer.start("run", f"shouter-{price}.py").wait_for("Ctrl-C")
    watching = a.watch()
    watching.sees("shouter-5", "shouter-7")
    assert watching.ways("shouter-5") <= {"mdns", "hello"}, "whoever is found first knocks at the other"
    done = a.json("announce", "shout", '{"text": "hello"}', "--budget", "10", "--patience", "10")
    assert (done["value"], done["proof_ok"]) == ("HELLO", True)
    assert done["winner_name"] in ("shouter-5", "shouter-7")  # whoever was seen when the task was announced
