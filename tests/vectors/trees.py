"""Vectors of RFC 6962 trees: roots, inclusion paths and consistency proofs, right and tampered."""

from __future__ import annotations

from typing import Any

from protocol import merkle

SIZES = (1, 2, 3, 5, 8, 11)
LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(max(SIZES))]


def _hexes(hashes: list[bytes]) -> list[str]:
    return [each.hex() for each in hashes]


def _flip(digest: bytes) -> bytes:
    return bytes([digest[0] ^ 1]) + digest[1:]


def _inclusion() -> list[dict[str, Any]]:
    cases = []
    for size in SIZES:
        root = merkle.root(LEAVES[:size])
        for index in sorted({0, size // 2, size - 1}):
            path = merkle.inclusion_path(LEAVES[:size], index)
            tries = [
                ("", index, size, path, root),
                ("another root", index, size, path, _flip(root)),
                ("a hash too many", index, size, [*path, root], root),
                ("outside", size, size, path, root),
            ]
            if path:
                tries.append(("a changed hash", index, size, [_flip(path[0]), *path[1:]], root))
                tries.append(("a hash too few", index, size, path[:-1], root))
            for what, at, of, given, expected in tries:
                holds = merkle.verify_inclusion(LEAVES[index], at, of, given, expected)
                cases.append({"name": f"leaf {index} of {size}" + (f", {what}" if what else ""),
                              "leaf": LEAVES[index].hex(), "index": at, "size": of, "path": _hexes(given),
                              "root": expected.hex(), "holds": holds})  # fmt: skip
    return cases


def _consistency() -> list[dict[str, Any]]:
    cases = []
    for old, new in ((1, 1), (1, 2), (2, 3), (3, 5), (4, 8), (5, 11), (8, 11)):
        proof = merkle.consistency_proof(LEAVES[:new], old)
        old_root, new_root = merkle.root(LEAVES[:old]), merkle.root(LEAVES[:new])
        tries = [
            ("", old, new, proof),
            ("a hash too many", old, new, [*proof, new_root]),
            ("from nothing", 0, new, proof),
            ("backwards", new, old, proof) if old != new else ("of nothing", 0, 0, proof),
        ]
        if proof:
            tries.append(("a changed hash", old, new, [_flip(proof[0]), *proof[1:]]))
            tries.append(("a hash too few", old, new, proof[:-1]))
        for what, first, second, given in tries:
            holds = merkle.verify_consistency(first, second, given, old_root, new_root)
            cases.append({"name": f"{old} to {new}" + (f", {what}" if what else ""),
                          "old_size": first, "new_size": second, "proof": _hexes(given),
                          "old_root": old_root.hex(), "new_root": new_root.hex(), "holds": holds})  # fmt: skip
    return cases


def document() -> dict[str, Any]:
    """Trees over the leaves 00, 01, 02 ... (one byte each, hashed as leaves)."""
    return {
        "says": "Section 4: RFC 6962 trees; leaf n is SHA-256(0x00 ‖ the byte n).",
        "roots": [
            {"size": size, "leaves": _hexes(LEAVES[:size]), "root": merkle.root(LEAVES[:size]).hex()}
            for size in (0, *SIZES)
        ],
        "inclusion": _inclusion(),
        "consistency": _consistency(),
    }
