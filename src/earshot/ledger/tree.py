"""The Merkle tree of RFC 9162, section 2.1 (the hashing of RFC 6962): roots, inclusion and consistency proofs.

A tree is a row of 32-byte nodes in the order in which they become complete: each leaf hash, then the inner nodes that
it completes. So a tree only ever grows at its end, and the place of a node follows from its level and index. The one
rule: nodes are read through a function, so that nothing here knows where they are kept.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final

Nodes = Callable[[int], bytes]
"""Gives the node at a place (`position`)."""

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()
"""The root of a tree without leaves (RFC 9162, 2.1.1)."""


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of a leaf: SHA-256 of a zero byte and the leaf."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node: SHA-256 of a byte of value 1 and the hashes below it."""
    return sha256(b"\x01" + left + right).digest()


def position(level: int, index: int) -> int:
    """The place of the `index`-th complete node of a level; level 0 are the leaves."""
    last_leaf = ((index + 1) << level) - 1
    return 2 * last_leaf - last_leaf.bit_count() + level


def node_count(size: int) -> int:
    """How many nodes a tree of `size` leaves has."""
    return 2 * size - size.bit_count()


def new_nodes(size: int, leaf: bytes, nodes: Nodes) -> list[bytes]:
    """The nodes that one more leaf (its hash) adds to a tree of `size` leaves, in their order."""
    made = [leaf]
    index, level = size, 0
    while index & 1:
        made.append(node_hash(nodes(position(level, index - 1)), made[-1]))
        index >>= 1
        level += 1
    return made


def root(size: int, nodes: Nodes) -> bytes:
    """The root of the first `size` leaves."""
    return _range(0, size, nodes) if size else EMPTY_ROOT


def _split(count: int) -> int:
    """The largest power of two below `count`, which is 2 or more."""
    return 1 << ((count - 1).bit_length() - 1)


def _range(start: int, stop: int, nodes: Nodes) -> bytes:
    """MTH(D[start:stop]) for a range that occurs in a tree."""
    count = stop - start
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return nodes(position(level, start >> level))
    middle = start + _split(count)
    return node_hash(_range(start, middle, nodes), _range(middle, stop, nodes))


def inclusion_proof(number: int, size: int, nodes: Nodes) -> list[bytes]:
    """The path from leaf `number`, counted from 0, to the root of `size` leaves (RFC 9162, 2.1.3.1).

    Raises ValueError when the tree has no such leaf.
    """
    if not 0 <= number < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {number}")
    path: list[bytes] = []
    start, stop = 0, size
    while stop - start > 1:
        middle = start + _split(stop - start)
        if number < middle:
            path.append(_range(middle, stop, nodes))
            stop = middle
        else:
            path.append(_range(start, middle, nodes))
            start = middle
    return path[::-1]


def consistency_proof(first: int, second: int, nodes: Nodes) -> list[bytes]:
    """What shows that the tree of `first` leaves begins the tree of `second` leaves (RFC 9162, 2.1.4.1).

    Raises ValueError unless 0 < first <= second.
    """
    if not 0 < first <= second:
        raise ValueError(f"there is no proof from {first} to {second} leaves")
    path: list[bytes] = []
    start, stop, whole = 0, second, True
    while first != stop:
        middle = start + _split(stop - start)
        if first <= middle:
            path.append(_range(middle, stop, nodes))
            stop = middle
        else:
            path.append(_range(start, middle, nodes))
            start, whole = middle, False
    if not whole:
        path.append(_range(start, stop, nodes))
    return path[::-1]


def is_included(leaf: bytes, number: int, size: int, path: Sequence[bytes], expected_root: bytes) -> bool:
    """Whether the leaf (its hash) is leaf `number` of the tree of that root (RFC 9162, 2.1.3.2)."""
    if not 0 <= number < size:
        return False
    index, last, found = number, size - 1, leaf
    for step in path:
        if last == 0:
            return False
        if index & 1 or index == last:
            found = node_hash(step, found)
            while not index & 1 and index:
                index >>= 1
                last >>= 1
        else:
            found = node_hash(found, step)
        index >>= 1
        last >>= 1
    return last == 0 and found == expected_root


def is_consistent(first: int, second: int, path: Sequence[bytes], first_root: bytes, second_root: bytes) -> bool:
    """Whether the tree of `first` leaves and that root begins the tree of `second` leaves (RFC 9162, 2.1.4.2)."""
    if first == second:
        return not path and first_root == second_root
    if not 0 < first < second or not path:
        return False
    steps = list(path) if first & (first - 1) else [first_root, *path]
    index, last = first - 1, second - 1
    while index & 1:
        index >>= 1
        last >>= 1
    old = new = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if index & 1 or index == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while not index & 1 and index:
                index >>= 1
                last >>= 1
        else:
            new = node_hash(new, step)
        index >>= 1
        last >>= 1
    return last == 0 and old == first_root and new == second_root
