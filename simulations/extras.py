"""What is installed only for those who ask for it: plots, optima, clusters."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from protocol.errors import UsageError


class MissingExtra(UsageError):
    """A package is not installed, and an extra of this project brings it."""


def need(module: str, extra: str) -> Any:
    """Import a module of an optional package. Raises MissingExtra, which names the extra."""
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtra(
            f"{module.partition('.')[0]} is not installed.",
            why=f"{error}.",
            do=f"Install it: scripts/environment {extra}, or pip install 'vendue[{extra}]'.",
        ) from error
