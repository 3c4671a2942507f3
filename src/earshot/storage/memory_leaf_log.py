"""The tamper-evident log in memory: for tests, and for a server that need not remember. Same contract as `leaf_log`."""

from collections.abc import Sequence

from earshot.ledger import tree
from earshot.ledger.leaves import Leaf


class MemoryLeafLog:
    """The port `earshot.ports.ledger.LeafLog` without files."""

    def __init__(self) -> None:
        self._texts: list[bytes] = []
        self._leaves: list[Leaf] = []
        self._nodes: list[bytes] = []
        self._numbers: dict[str, int] = {}

    async def append(self, leaves: Sequence[Leaf]) -> list[int]:
        """See `LeafLog.append`."""
        texts = [leaf.text() for leaf in leaves]
        return [self._one(leaf, text) for leaf, text in zip(leaves, texts, strict=True)]

    def _one(self, leaf: Leaf, text: bytes) -> int:
        if leaf.key not in self._numbers:
            number = self._numbers[leaf.key] = len(self._texts)
            self._nodes += tree.new_nodes(number, tree.leaf_hash(text), self._nodes.__getitem__)
            self._texts.append(text)
            self._leaves.append(leaf)
        return self._numbers[leaf.key]

    async def size(self) -> int:
        """See `LeafLog.size`."""
        return len(self._texts)

    async def text(self, number: int) -> bytes:
        """See `LeafLog.text`."""
        if number < 0:
            raise IndexError(f"the log has no leaf {number}")
        return self._texts[number]

    async def number_of(self, key: str) -> int | None:
        """See `LeafLog.number_of`."""
        return self._numbers.get(key)

    async def about(self, subject: str) -> list[int]:
        """See `LeafLog.about`."""
        return [number for number, leaf in enumerate(self._leaves) if leaf.subject == subject]

    async def last_row(self, kind: str) -> int:
        """See `LeafLog.last_row`."""
        return max((leaf.row for leaf in self._leaves if leaf.kind == kind), default=0)

    async def root(self, size: int) -> bytes:
        """See `LeafLog.root`."""
        if not 0 <= size <= len(self._texts):
            raise IndexError(f"the log has no {size} leaves")
        return tree.root(size, self._nodes.__getitem__)

    async def inclusion(self, number: int, size: int) -> list[bytes]:
        """See `LeafLog.inclusion`."""
        self._at_most(size)
        return tree.inclusion_proof(number, size, self._nodes.__getitem__)

    async def consistency(self, first: int, second: int) -> list[bytes]:
        """See `LeafLog.consistency`."""
        self._at_most(second)
        return tree.consistency_proof(first, second, self._nodes.__getitem__)

    def _at_most(self, size: int) -> None:
        if size > len(self._texts):
            raise ValueError(f"the log has no {size} leaves")
