"""The tree against a naive one that is written as RFC 9162 defines it, and against the examples of RFC 9162, 2.1.5."""

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.ledger import tree


def naive_root(leaves: Sequence[bytes]) -> bytes:
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + naive_root(leaves[:split]) + naive_root(leaves[split:])).digest()


def naive_path(number: int, leaves: Sequence[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if number < split:
        return [*naive_path(number, leaves[:split]), naive_root(leaves[split:])]
    return [*naive_path(number - split, leaves[split:]), naive_root(leaves[:split])]


def naive_consistency(first: int, leaves: Sequence[bytes], whole: bool = True) -> list[bytes]:
    if first == len(leaves):
        return [] if whole else [naive_root(leaves)]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if first <= split:
        return [*naive_consistency(first, leaves[:split], whole), naive_root(leaves[split:])]
    return [*naive_consistency(first - split, leaves[split:], False), naive_root(leaves[:split])]


def grown(leaves: Sequence[bytes]) -> list[bytes]:
    nodes: list[bytes] = []
    for number, leaf in enumerate(leaves):
        nodes += tree.new_nodes(number, tree.leaf_hash(leaf), nodes.__getitem__)
    return nodes


def some(count: int) -> list[bytes]:
    return [b"leaf %d" % number for number in range(count)]


@given(st.lists(st.binary(max_size=40), max_size=70))
def test_roots_of_every_size(leaves: list[bytes]) -> None:
    nodes = grown(leaves)
    assert len(nodes) == tree.node_count(len(leaves))
    for size in range(len(leaves) + 1):
        assert tree.root(size, nodes.__getitem__) == naive_root(leaves[:size])


@given(st.integers(1, 130), st.data())
def test_inclusion(size: int, data: st.DataObject) -> None:
    leaves, number = some(size), data.draw(st.integers(0, size - 1))
    nodes = grown(some(size + data.draw(st.integers(0, 9))))
    path = tree.inclusion_proof(number, size, nodes.__getitem__)
    root = naive_root(leaves)
    assert path == naive_path(number, leaves)
    hashed = tree.leaf_hash(leaves[number])
    assert tree.is_included(hashed, number, size, path, root)
    other = data.draw(st.integers(0, size + 3))
    if other != number:
        assert not tree.is_included(hashed, other, size, path, root)
    assert not tree.is_included(tree.leaf_hash(b"another"), number, size, path, root)
    assert not tree.is_included(hashed, number, size, [*path, root], root)
    if path:
        spoilt = list(path)
        place = data.draw(st.integers(0, len(path) - 1))
        spoilt[place] = bytes([spoilt[place][0] ^ 1]) + spoilt[place][1:]
        assert not tree.is_included(hashed, number, size, spoilt, root)
        assert not tree.is_included(hashed, number, size, path[:-1], root)


@given(st.integers(1, 130), st.data())
def test_consistency(second: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, second))
    leaves = some(second)
    nodes = grown(leaves)
    path = tree.consistency_proof(first, second, nodes.__getitem__)
    before, after = naive_root(leaves[:first]), naive_root(leaves)
    assert path == naive_consistency(first, leaves)
    assert tree.is_consistent(first, second, path, before, after)
    changed = list(leaves)
    changed[data.draw(st.integers(0, first - 1))] = b"changed"
    assert not tree.is_consistent(first, second, path, naive_root(changed[:first]), after)
    assert not tree.is_consistent(first, second, path, before, naive_root(changed))
    if path:
        assert not tree.is_consistent(first, second, path[:-1], before, after)
    assert not tree.is_consistent(first, second, [*path, after], before, after)


def test_what_cannot_be_proven() -> None:
    nodes = grown(some(3)).__getitem__
    for number, size in ((3, 3), (-1, 3), (0, 0)):
        with pytest.raises(ValueError, match="no leaf"):
            tree.inclusion_proof(number, size, nodes)
    for first, second in ((0, 3), (3, 2)):
        with pytest.raises(ValueError, match="no proof"):
            tree.consistency_proof(first, second, nodes)
    assert not tree.is_included(b"", 0, 0, [], tree.EMPTY_ROOT)
    assert not tree.is_consistent(0, 3, [], tree.EMPTY_ROOT, tree.root(3, nodes))


def test_the_empty_tree_and_the_well_known_tree_of_eight() -> None:
    """The leaves of the test vectors of RFC 6962 that every implementation is tried with."""
    leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    nodes = grown([bytes.fromhex(leaf) for leaf in leaves])
    assert tree.root(0, nodes.__getitem__).hex() == sha256(b"").hexdigest()
    assert tree.root(1, nodes.__getitem__).hex().startswith("6e340b9cffb37a98")
    assert tree.root(8, nodes.__getitem__).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
