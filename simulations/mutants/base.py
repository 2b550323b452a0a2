"""A mutant: a few words of the production text, replaced while its module is imported."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import NamedTuple

from protocol.errors import UsageError


class Edit(NamedTuple):
    """One replacement in the text of one module; `was` must stand there exactly once."""

    module: str
    was: str
    becomes: str

    def apply(self, text: str) -> str:
        """The mutated text. Raises UsageError when the production text has changed so that the edit no longer fits."""
        found = text.count(self.was)
        if found != 1:
            raise UsageError(
                f"A mutant of {self.module} no longer fits.",
                why=f"What it replaces stands there {found} times: {self.was!r}.",
                do="Write it anew in simulations/mutants/ for the text as it is now.",
            )
        return text.replace(self.was, self.becomes)


class Mutant(NamedTuple):
    """One planted bug."""

    name: str
    bug: str
    """What is wrong, in one sentence."""
    edits: tuple[Edit, ...]

    def plant(self) -> None:
        """Have the modules mutated when they are imported. Raises UsageError if one was imported before."""
        for edit in self.edits:
            if edit.module in sys.modules:
                raise UsageError(
                    f"{edit.module} is imported already.",
                    why="A mutant changes text, not objects.",
                    do="Plant it first, in a fresh process.",
                )
        sys.meta_path.insert(0, _Planter(self.edits))


def one_edit(name: str, bug: str, module: str, was: str, becomes: str) -> Mutant:
    """A mutant that is one replacement in one module of the protocol."""
    return Mutant(name, bug, (Edit(f"protocol.{module}", was, becomes),))


def text_of(module: str) -> str:
    """The production text of a module, which is not imported for it."""
    spec = PathFinder.find_spec(module, _package_path(module))
    if spec is None or spec.origin is None:
        raise UsageError(f"There is no module {module}.", do="Name one of protocol.")
    with open(spec.origin, encoding="utf-8") as file:
        return file.read()


def _package_path(module: str) -> Sequence[str] | None:
    """Where the modules of a package lie. Packages of `protocol` do nothing when they are imported."""
    package, _, _ = module.rpartition(".")
    if not package:
        return None
    if package not in sys.modules:
        __import__(package)
    return list(sys.modules[package].__path__)


class _Planter(MetaPathFinder):
    """Finds the modules to be mutated before anybody else does."""

    def __init__(self, edits: Sequence[Edit]) -> None:
        self._edits: dict[str, list[Edit]] = {}
        for edit in edits:
            self._edits.setdefault(edit.module, []).append(edit)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        edits = self._edits.get(fullname)
        spec = PathFinder.find_spec(fullname, path) if edits else None
        if edits is None or spec is None or spec.origin is None:
            return None
        spec.loader = _Mutated(fullname, spec.origin, edits)
        return spec


class _Mutated(SourceFileLoader):
    """Loads a module from its changed text; nothing of it is cached."""

    def __init__(self, fullname: str, path: str, edits: Sequence[Edit]) -> None:
        super().__init__(fullname, path)
        self._edits = edits

    def get_code(self, fullname: str) -> object:  # type: ignore[override]
        text = self.get_data(self.path).decode()
        for edit in self._edits:
            text = edit.apply(text)
        return self.source_to_code(text.encode(), self.path)
