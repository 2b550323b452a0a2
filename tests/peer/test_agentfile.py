"""What a file of agents may be, and how it is told what is wrong with one."""

from __future__ import annotations

from pathlib import Path

import pytest

from peer.agentfile import fit_name, load_agents
from protocol.errors import UsageError


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = 1\n", "has no agents"),
        (
            "from typing import Annotated\nfrom msgspec import Meta\nfrom peer import worker\n\n\n"
            "@worker('cut', price=1)\ndef cut(text: Annotated[str, Meta(pattern=r'x\\Z')]) -> str:\n    return text\n",
            "'cut' cannot be offered",
        ),
        (
            "from peer import Agent\n\nagent = Agent()\n\n\n@agent.worker('cut', price=1)\ndef cut() -> int:\n"
            "    return 1\n\n\n@agent.bidding('cutt')\ndef bid(task):\n    return 1\n",
            "bids for 'cutt', which",
        ),
        (
            "from peer import Agent\n\nagent = Agent()\n\n\n@agent.worker('cut', price=1)\ndef cut() -> int:\n"
            "    return 1\n\n\n@agent.bidding('cut')\nasync def bid(task):\n    return 1\n",
            "is async",
        ),
        ("x = 1\ndef f(:\n", "agents.py:2"),
        ("x = 1\nimport no_such_module_here\n", "agents.py:2"),
        ("x = 1\ny = 2\nx / 0\n", "agents.py:3: ZeroDivisionError"),
        ('from peer import worker\n\n@worker("x", price=-1)\ndef f() -> int: ...\n', "agents.py:3"),
    ],
)
def test_a_file_that_cannot_be_run_is_refused_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    """It is a wrong call, before any peer begins."""
    file = tmp_path / "agents.py"
    file.write_text(text)
    with pytest.raises(UsageError) as refused:
        load_agents(file)
    assert told in refused.value.what
    assert refused.value.exit_code == 2


def test_a_file_name_becomes_a_name_that_a_peer_may_have() -> None:
    """Whatever a file is called, its peer has a name."""
    assert [fit_name(text) for text in ("My Agents_2", "ÄÖ", "x" * 80)] == ["my-agents-2", "agents", "x" * 50]
