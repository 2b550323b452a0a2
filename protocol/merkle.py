"""RFC 6962 Merkle trees: roots, inclusion and consistency proofs. Shared by the seal and the audit log.

Leaves are given as leaf *hashes*: hashing a leaf's bytes (0x00 ‖ bytes) is the business of whoever owns the bytes. The
verification arithmetic is RFC 9162, section 2.1.3.2 and 2.1.4.2, which treats every out-of-range size as a refusal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

EMPTY_ROOT = hashlib.sha256(b"").digest()
_sha256 = hashlib.sha256


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 ‖ data), 32 bytes."""
    return _sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right), 32 bytes."""
    return _sha256(b"\1" + left + right).digest()


def levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """All nodes of the tree over `leaves` (32-byte leaf hashes), from the leaves up to the level of the root alone.

    A node without a sibling goes up as it is: that gives the tree of RFC 6962, section 2.1, without its recursion.
    """
    built = [list(leaves)]
    while len(built[-1]) > 1:
        below = built[-1]
        above = [_sha256(b"\1" + below[i] + below[i + 1]).digest() for i in range(0, len(below) - 1, 2)]
        if len(below) & 1:
            above.append(below[-1])
        built.append(above)
    return built


def root(leaves: Sequence[bytes]) -> bytes:
    """The root of the tree over `leaves` (32-byte leaf hashes); of one leaf it is that leaf."""
    if len(leaves) == 1:
        return leaves[0]
    return levels(leaves)[-1][0] if leaves else EMPTY_ROOT


def path_in(tree: Sequence[Sequence[bytes]], index: int) -> list[bytes]:
    """The sibling hashes from leaf `index` up to the root, out of the tree's `levels`."""
    path = []
    for level in tree[:-1]:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        index >>= 1
    return path


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The sibling hashes from leaf `index` up to the root (RFC 6962, PATH). Raises IndexError outside the tree."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"leaf {index} of a tree of {len(leaves)}")
    return path_in(levels(leaves), index)


def _split(size: int) -> int:
    """The largest power of two smaller than `size`."""
    return 1 << (size - 1).bit_length() - 1


def root_from_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that `path` proves for `leaf` at `index` of `size`, or None when the path does not fit the numbers."""
    if not 0 <= index < size or any(len(sibling) != 32 for sibling in path) or len(leaf) != 32:
        return None
    fn, sn, computed = index, size - 1, leaf
    for sibling in path:
        if sn == 0:
            return None
        if fn & 1 or fn == sn:
            computed = node_hash(sibling, computed)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            computed = node_hash(computed, sibling)
        fn, sn = fn >> 1, sn >> 1
    return computed if sn == 0 else None


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], expected: bytes) -> bool:
    """Tell whether `leaf` is number `index` (from 0) of the tree of `size` leaves with root `expected`."""
    return root_from_inclusion(leaf, index, size, path) == expected


def consistency_proof(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """Show that the first `old_size` leaves are a prefix of all (RFC 6962, PROOF). Raises ValueError otherwise."""
    if not 0 < old_size <= len(leaves):
        raise ValueError(f"no consistency proof from {old_size} to {len(leaves)}")
    return _subproof(leaves, old_size, whole=True)


def _subproof(leaves: Sequence[bytes], old_size: int, *, whole: bool) -> list[bytes]:
    if old_size == len(leaves):
        return [] if whole else [root(leaves)]
    k = _split(len(leaves))
    if old_size <= k:
        return [*_subproof(leaves[:k], old_size, whole=whole), root(leaves[k:])]
    return [*_subproof(leaves[k:], old_size - k, whole=False), root(leaves[:k])]


def verify_consistency(old_size: int, new_size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Tell whether the tree of `new_size` leaves extends that of `old_size`; an old size of 0 is refused."""
    if not 0 < old_size <= new_size or any(len(sibling) != 32 for sibling in proof):
        return False
    if old_size == new_size:
        return not proof and old_root == new_root
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    fn, sn = old_size - 1, new_size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    old_computed = new_computed = path[0]
    for sibling in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            old_computed = node_hash(sibling, old_computed)
            new_computed = node_hash(sibling, new_computed)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            new_computed = node_hash(new_computed, sibling)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and old_computed == old_root and new_computed == new_root
