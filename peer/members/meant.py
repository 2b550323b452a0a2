"""Whom a person means by a printed peer id, the beginning of one, or a name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from protocol.errors import UsageError
from protocol.keys import PeerId, parse_peer, print_peer

PREFIX_MIN: Final = 4
"""Characters of an id that one has to type at least."""
WHOLE_MIN: Final = 50
"""With so many characters a whole id was meant, and there is a slip in it."""
SHOWN_MAX: Final = 5


def whole_id(said: str) -> PeerId | None:
    """The peer whose id was typed whole, whoever it is. Raises UsageError for an id with a slip in it."""
    try:
        return parse_peer(said)
    except ValueError as error:
        if len(_letters(said)) >= WHOLE_MIN:
            raise UsageError(f"{said[:80]!r} is no peer id: {error}.", do="See: vendue peers --json") from None
    return None


def who_is_meant(said: str, called: Iterable[bytes], known: Iterable[bytes]) -> PeerId | None:
    """The one of those that are called so, and of those known whose id begins so; None if there is none.

    Raises UsageError if it may be several.
    """
    letters = _letters(said)
    begin = [peer for peer in known if len(letters) >= PREFIX_MIN and _letters(print_peer(peer)).startswith(letters)]
    fits = sorted({*called, *begin})
    if len(fits) > 1:
        raise UsageError(
            f"{len(fits)} peers are called {said[:80]!r}.",
            why=f"They are {', '.join(print_peer(peer) for peer in fits[:SHOWN_MAX])}.",
            do="Type the peer id of the one that is meant.",
        )
    return PeerId(fits[0]) if fits else None


def _letters(printed: str) -> str:
    return printed.replace("-", "").strip().lower()
