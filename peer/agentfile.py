"""Loading the agents of a Python file: whatever is wrong with the file is told with its line, as Python would."""

from __future__ import annotations

import importlib.util
import re
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Final

from peer.agent import Agent, agent_of
from protocol.errors import UsageError, VendueError

MODULE: Final = "vendue_agents"
"""The same name as in the child processes that load the file again: a file's `__main__` part is for other callers."""


def load_agents(file: Path) -> Agent:
    """Run a Python file and gather the agents in it. Raises UsageError, with the line, when that cannot be done."""
    if not file.is_file():
        raise UsageError(f"There is no file {file}.", do="Name a Python file that has agents in it.")
    return agent_of(vars(_execute(file)), str(file))


def fit_name(text: str) -> str:
    """Write a file's or an agent's name in the letters that a peer's name may have, with room for a number."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:50].rstrip("-") or "agents"


def _execute(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(MODULE, file)
    if spec is None or spec.loader is None:
        raise UsageError(f"{file} is no Python file.", do="Its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module
    sys.path.insert(0, str(file.absolute().parent))  # as `python FILE` does
    try:
        spec.loader.exec_module(module)
    except VendueError as error:
        raise type(error)(f"{_line(file, error)}: {error.what}", why=error.why, do=error.do) from error
    except SyntaxError as error:
        where = f"{error.filename}:{error.lineno}" if error.filename else str(file)
        raise UsageError(f"{where}: {error.msg}.", why=(error.text or "").strip(), do="Correct that line.") from error
    except ImportError as error:
        raise UsageError(
            f"{_line(file, error)}: {error}.",
            why=f"It is not among the packages of {sys.executable}.",
            do="Install it there, or correct the import.",
        ) from error
    except (Exception, SystemExit) as error:
        raise UsageError(
            f"{_line(file, error)}: {type(error).__name__}: {error}",
            why="The file is run once to find its agents, and that failed.",
            do="Correct that line; --debug shows the way there.",
        ) from error
    return module


def _line(file: Path, error: BaseException) -> str:
    """The last line of the user's own file that led to an error."""
    steps = [step for step in traceback.extract_tb(error.__traceback__) if Path(step.filename) == file.absolute()]
    own = steps or [step for step in traceback.extract_tb(error.__traceback__) if step.filename == str(file)]
    return f"{file}:{own[-1].lineno}" if own else str(file)
