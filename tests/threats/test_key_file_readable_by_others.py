"""Key file readable by others: on a computer with several users, somebody opens a private key to the rest.

Whoever could read it could sign in the peer's name. So no command uses it: it says which file, and what to run.
"""

from __future__ import annotations

from tests.peer.cli.processes import Vendue

SHOUT = '@worker("shout", price=5)\ndef shout(text: str) -> str:\n    return text.upper()\n'
OPENED = {"key.pem": 0o604, "transport.pem": 0o640}


def test_no_peer_runs_on_a_key_that_others_can_read(vendue: Vendue) -> None:
    """The peer has run before; then one of its two key files is opened to somebody. Put right, it runs again."""
    agents = vendue.agents(SHOUT)
    vendue.start("run", agents).wait_for("Ctrl-C").stop()
    for name, mode in OPENED.items():
        key = vendue.folder / "home" / "markets" / "local" / "peers" / "agents" / name
        assert key.stat().st_mode & 0o777 == 0o600
        key.chmod(mode)
        error = vendue.json("run", agents, code=8)["error"]
        assert str(key) in error["what"]
        assert f"chmod 600 {key}" in error["do"]
        assert "PRIVATE" not in str(error)
        key.chmod(0o600)
    vendue.start("run", agents).wait_for("Ctrl-C")  # the counter-check: it was the mode, and nothing else
