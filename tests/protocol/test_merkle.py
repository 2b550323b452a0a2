"""RFC 6962 trees, against foreign proofs and the RFC's own recursive definition."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import merkle

MAX = 40
"""All sizes up to this one are tried, with all their proofs."""


def oracle_root(entries: Sequence[bytes]) -> bytes:
    """MTH as RFC 6962, section 2.1 writes it down, over entries and not over their hashes."""
    if not entries:
        return hashlib.sha256().digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = max(2**n for n in range(20) if 2**n < len(entries))
    return hashlib.sha256(b"\x01" + oracle_root(entries[:k]) + oracle_root(entries[k:])).digest()


def entries_of(size: int) -> list[bytes]:
    """So many different entries of a log."""
    return [b"entry %d" % number for number in range(size)]


def leaves_of(size: int) -> list[bytes]:
    """Their leaf hashes."""
    return [merkle.leaf_hash(entry) for entry in entries_of(size)]


@pytest.mark.spec("M-4.10")
def test_all_foreign_proofs_are_judged_right(vectors: Callable[[str], Any]) -> None:
    """All 96 proofs of the transparency-dev project, good and tampered, are judged as their authors say."""
    judged = 0
    foreign = vectors("merkle-proofs.json")
    for test in foreign["inclusion"]:
        leaf, expected = b64decode(test["leafHash"] or ""), b64decode(test["root"] or "")
        path = [b64decode(sibling) for sibling in test["proof"] or ()]
        holds = merkle.verify_inclusion(leaf, test["leafIdx"], test["treeSize"], path, expected)
        assert holds is not test["wantErr"], test["name"]
        judged += 1
    for test in foreign["consistency"]:
        old, new = b64decode(test["root1"] or ""), b64decode(test["root2"] or "")
        proof = [b64decode(sibling) for sibling in test["proof"] or ()]
        holds = merkle.verify_consistency(test["size1"], test["size2"], proof, old, new)
        assert holds is not test["wantErr"], test["name"]
        judged += 1
    assert judged == 96


@pytest.mark.spec("M-4.2")
@pytest.mark.parametrize("size", range(MAX + 1))
def test_root_is_the_one_of_the_rfc(size: int) -> None:
    """The root built level by level is the one of the recursive definition."""
    assert merkle.root(leaves_of(size)) == oracle_root(entries_of(size))


@pytest.mark.spec("M-4.10")
@pytest.mark.parametrize("size", range(1, MAX + 1))
def test_every_leaf_has_a_path_that_holds(size: int) -> None:
    """Each leaf of each tree is proved, by a path no longer than it must be, and at no other place."""
    leaves = leaves_of(size)
    root = merkle.root(leaves)
    for index, leaf in enumerate(leaves):
        path = merkle.inclusion_path(leaves, index)
        assert len(path) <= (size - 1).bit_length()
        assert merkle.verify_inclusion(leaf, index, size, path, root)
        assert not any(
            merkle.verify_inclusion(leaf, other, size, path, root) for other in range(-1, size + 2) if other != index
        )


@pytest.mark.spec("M-4.10")
@pytest.mark.parametrize("size", range(1, MAX + 1))
def test_every_earlier_tree_is_a_proved_prefix(size: int) -> None:
    """The tree extends each smaller one, and a tree that differs in its last old leaf it does not."""
    leaves = leaves_of(size)
    root = merkle.root(leaves)
    for old in range(1, size + 1):
        proof = merkle.consistency_proof(leaves, old)
        assert merkle.verify_consistency(old, size, proof, merkle.root(leaves[:old]), root)
        other = merkle.root([*leaves[: old - 1], merkle.leaf_hash(b"another")])
        assert not merkle.verify_consistency(old, size, proof, other, root)


@pytest.mark.spec("M-4.10")
@given(st.data(), st.integers(2, 600))
def test_a_changed_proof_does_not_hold(data: st.DataObject, size: int) -> None:
    """A path with a flipped bit, a hash too many, too few or of another length proves nothing, in any size."""
    leaves = leaves_of(size)
    index = data.draw(st.integers(0, size - 1))
    path = merkle.inclusion_path(leaves, index)
    at = data.draw(st.integers(0, len(path) - 1))
    flipped = bytes([path[at][0] ^ 1]) + path[at][1:]
    before, after = path[:at], path[at + 1 :]
    for wrong in ([*before, flipped, *after], path[:-1], [*path, path[at]], [*before, path[at][:-1], *after]):
        assert not merkle.verify_inclusion(leaves[index], index, size, wrong, merkle.root(leaves))


@pytest.mark.spec("M-4.10")
@given(st.integers(-2, 9), st.integers(-2, 9), st.lists(st.binary(min_size=32, max_size=32), max_size=5))
def test_impossible_sizes_are_refused_not_raised(index: int, size: int, path: list[bytes]) -> None:
    """Numbers and paths that nobody could have made are answered with no."""
    leaf = merkle.leaf_hash(b"leaf")
    root = merkle.root_from_inclusion(leaf, index, size, path)
    assert root is None or 0 <= index < size
    holds = merkle.verify_consistency(index, size, path, leaf, leaf)
    assert not holds or (index == size > 0 and not path)


def test_a_leaf_is_no_node() -> None:
    """The two prefixes keep a node's bytes from being shown as a leaf's."""
    left, right = leaves_of(2)
    assert merkle.leaf_hash(left + right) != merkle.node_hash(left, right)


def test_no_proof_outside_the_tree() -> None:
    """Asking ourselves for what cannot be proved is an error at this end."""
    with pytest.raises(IndexError):
        merkle.inclusion_path(leaves_of(3), 3)
    for old in (0, 4):
        with pytest.raises(ValueError, match="no consistency proof"):
            merkle.consistency_proof(leaves_of(3), old)
