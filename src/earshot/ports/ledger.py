"""The tamper-evident log: what keeps its leaves, and what the rows are that become leaves.

The one rule: a log only grows. Leaves are numbered from 0 in the order in which they were logged; times are
microseconds since the Unix epoch.
"""

from collections.abc import Sequence
from typing import Protocol

from earshot.errors import EarshotError
from earshot.ledger.leaves import Leaf


class LedgerBroken(EarshotError):
    """What is kept is not what was logged, or not all of it. Nothing is added to such a log; the message says why."""


class LeafLog(Protocol):
    """Where leaves are kept, with the tree over them. Every method may raise OSError or LedgerBroken."""

    async def append(self, leaves: Sequence[Leaf]) -> list[int]:
        """Add leaves, durable when this returns, and return their numbers. A key that is logged already keeps its leaf
        and number. Raises ValueError for a leaf that has no canonical text; none is added then."""
        ...

    async def size(self) -> int:
        """How many leaves there are."""
        ...

    async def text(self, number: int) -> bytes:
        """The bytes of a leaf. Raises IndexError."""
        ...

    async def number_of(self, key: str) -> int | None:
        """The number of the leaf with that key."""
        ...

    async def about(self, subject: str) -> list[int]:
        """The numbers of all leaves about that subject, in order."""
        ...

    async def last_row(self, kind: str) -> int:
        """The largest row number among the leaves of that kind, 0 where there are none."""
        ...

    async def root(self, size: int) -> bytes:
        """The root of the first `size` leaves. Raises IndexError when there are fewer."""
        ...

    async def inclusion(self, number: int, size: int) -> list[bytes]:
        """The path of a leaf to the root of the first `size`. Raises ValueError when it is not among them."""
        ...

    async def consistency(self, first: int, second: int) -> list[bytes]:
        """What shows that the first leaves begin the second. Raises ValueError unless 0 < first <= second <= size."""
        ...


class LedgerRows(Protocol):
    """The rows of the store that become leaves: recordings, screen sessions and audit entries, by their numbers; and
    the last checkpoint, which the store keeps too. Every method may raise `earshot.errors.StoreUnavailable`."""

    async def after(self, kind: str, row: int, limit: int) -> list[Leaf]:
        """Leaves (not logged, `at_us` 0) of the rows of that kind (sealed, screen, audit) with larger numbers, by
        number. Raises ValueError for other kinds."""
        ...

    async def last_row(self, kind: str) -> int:
        """The largest number among the rows of that kind, 0 where there are none. Raises ValueError for other kinds."""
        ...

    async def checkpoint(self) -> str:
        """The signed note that was kept last; empty if none was."""
        ...

    async def keep_checkpoint(self, note: str) -> None:
        """Keep this one instead."""
        ...
