"""The same seed gives the same trace: in every run, under every hash seed, on every version of Python."""

from __future__ import annotations

import pytest

from tests.simulations.digests import digests
from tests.simulations.interpreters import VERSIONS, Missing, digests_on
from tests.simulations.worlds import eventful


@pytest.fixture(scope="module")
def ours() -> dict[str, str]:
    """The digests of this process."""
    return digests()


def test_the_same_seed_gives_the_same_digest_again() -> None:
    """In one process, one world after the other."""
    assert eventful(3).digest() == eventful(3).digest()


def test_another_seed_gives_another_digest() -> None:
    """A digest that is always the same would prove nothing."""
    assert len({eventful(seed).digest() for seed in range(4)}) == 4


@pytest.mark.parametrize("hash_seed", ["0", "1", "random"])
def test_no_hash_seed_changes_the_digest(hash_seed: str, ours: dict[str, str]) -> None:
    """Sets and dicts of bytes iterate in another order under each; nothing that is said may follow it."""
    assert digests_on(hash_seed=hash_seed) == ours


@pytest.mark.parametrize("version", VERSIONS)
def test_no_version_of_python_changes_the_digest(version: str, ours: dict[str, str]) -> None:
    """Each version that is here runs the same worlds."""
    try:
        theirs = digests_on(version)
    except Missing as reason:
        pytest.skip(f"Python {version}: {reason}")
    assert theirs == ours
