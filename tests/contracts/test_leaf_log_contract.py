"""What every tamper-evident log must do, run against each of them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from earshot.ledger import tree
from earshot.ledger.leaves import Leaf
from earshot.ports.ledger import LeafLog
from earshot.storage.leaf_log import FileLeafLog
from earshot.storage.memory_leaf_log import MemoryLeafLog


@pytest.fixture(params=["memory", "files"])
async def log(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LeafLog]:
    if request.param == "memory":
        yield MemoryLeafLog()
        return
    files = FileLeafLog(tmp_path / "ledger")
    await files.open()
    yield files
    await files.close()


def leaf(number: int, kind: str = "sealed", subject: str = "") -> Leaf:
    return Leaf(kind=kind, subject=subject or f"recording {number}", key=f"{kind}/{number}", row=number, at_us=number)


async def test_leaves_are_numbered_and_kept(log: LeafLog) -> None:
    assert await log.size() == 0
    assert await log.root(0) == tree.EMPTY_ROOT
    assert await log.append([]) == []
    assert await log.append([leaf(1), leaf(2)]) == [0, 1]
    assert await log.append([leaf(3), leaf(1)]) == [2, 0]
    assert await log.size() == 3
    assert Leaf.read(await log.text(2)) == leaf(3)
    assert await log.number_of("sealed/2") == 1
    assert await log.number_of("sealed/9") is None
    for number in (3, -1):
        with pytest.raises(IndexError):
            await log.text(number)


async def test_the_same_key_in_one_group_is_one_leaf(log: LeafLog) -> None:
    assert await log.append([leaf(1), leaf(1), leaf(2)]) == [0, 0, 1]


async def test_leaves_by_subject_and_row(log: LeafLog) -> None:
    assert await log.last_row("sealed") == 0
    await log.append([leaf(4), leaf(9, "audit", "recording 4"), leaf(2)])
    assert await log.about("recording 4") == [0, 1]
    assert await log.about("recording 5") == []
    assert await log.last_row("sealed") == 4
    assert await log.last_row("audit") == 9


async def test_proofs_of_every_leaf_and_size(log: LeafLog) -> None:
    await log.append([leaf(number) for number in range(1, 12)])
    for size in range(1, 12):
        root = await log.root(size)
        for number in range(size):
            path = await log.inclusion(number, size)
            assert tree.is_included(tree.leaf_hash(leaf(number + 1).text()), number, size, path, root)
        path = await log.consistency(size, 11)
        assert tree.is_consistent(size, 11, path, root, await log.root(11))
    with pytest.raises(ValueError, match="12"):
        await log.inclusion(0, 12)
    with pytest.raises(ValueError, match="12"):
        await log.consistency(3, 12)
    with pytest.raises(IndexError):
        await log.root(12)


async def test_what_has_no_text_adds_nothing(log: LeafLog) -> None:
    spoilt = Leaf(kind="sealed", subject="recording 2", key="x", body={"length": 1.5})
    with pytest.raises(ValueError, match="float"):
        await log.append([leaf(1), spoilt])
    assert await log.size() == 0


async def test_many_at_once(log: LeafLog) -> None:
    given = await asyncio.gather(*(log.append([leaf(number), leaf(number + 1)]) for number in range(1, 40)))
    assert await log.size() == 40
    for number, (first, second) in enumerate(given, 1):
        assert Leaf.read(await log.text(first)).row == number
        assert Leaf.read(await log.text(second)).row == number + 1
