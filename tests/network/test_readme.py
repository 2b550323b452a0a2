"""What README says about two machines is true: its six lines are taken out of it and run, each where it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Final

from tests.network.computers import Computer, Computers
from tests.peer.cli.processes import ROOT
from tests.waiting import wait_until

LINE: Final = re.compile(r"^(first|second)\$ vendue (.*?)(?: +#.*)?$", re.MULTILINE)
AGENT: Final = re.compile(r"```python\n# poet\.py\n(.*?)```", re.DOTALL)
GOES_ON: Final = ("govern", "run")


def readme() -> str:
    """The section about two machines."""
    text = (ROOT / "README.md").read_text()
    return text[text.index("## From one machine to two") :].partition("\n## ")[0]


def plain(computer: Computer) -> Computer:
    """A computer as it comes: nothing is set that README does not set."""
    for name in [name for name in computer.environment if name.startswith("VENDUE_") and name != "VENDUE_HOME"]:
        del computer.environment[name]
    return computer


def test_the_six_lines_of_readme_bring_a_task_from_one_machine_to_another(computers: Computers) -> None:
    """Found, joined, run, announced: with what README says, and nothing else."""
    places = {"first": plain(computers["a"]), "second": plain(computers["b"])}
    agent = AGENT.search((ROOT / "README.md").read_text())
    assert agent is not None
    Path(places["second"].folder, "poet.py").write_text(agent[1])
    lines = [(places[where], shlex.split(said.removesuffix("&"))) for where, said in LINE.findall(readme())]
    assert len(lines) == 6
    said = ""
    for computer, words in lines:
        words = [said if word == "CODE" else word for word in words]
        if words[0] in GOES_ON:
            computer.start(*words).wait_for("Ctrl-C")
            continue
        if words[0] == "announce":  # a person has changed terminals by now
            wait_until(lambda computer=computer: "poet" in computer("peers").stdout)  # type: ignore[misc]
        said = computer(*words).stdout.strip()
    assert "HI" in said
