"""Deadlines by key: the one clockwork under transactions, unacknowledged answers and session timers.

The one rule: a key has at most one deadline; setting it again replaces the former one.
"""

import heapq
from collections.abc import Iterator

Key = tuple[str, ...]


class Schedule:
    """A heap of (seconds, key) where replaced entries are dropped when they come up."""

    __slots__ = ("_heap", "_when")

    def __init__(self) -> None:
        self._when: dict[Key, float] = {}
        self._heap: list[tuple[float, Key]] = []

    def __len__(self) -> int:
        return len(self._when)

    def set(self, key: Key, when: float | None) -> None:
        """Let `key` be due at `when`, or never for None."""
        if when is None:
            self._when.pop(key, None)
        elif self._when.get(key) != when:
            self._when[key] = when
            heapq.heappush(self._heap, (when, key))

    def next_deadline(self) -> float | None:
        """When the earliest key is due."""
        while self._heap:
            when, key = self._heap[0]
            if self._when.get(key) == when:
                return when
            heapq.heappop(self._heap)
        return None

    def due(self, now: float) -> Iterator[Key]:
        """Keys whose time has come, earliest first; each is forgotten as it is given out."""
        while (when := self.next_deadline()) is not None and when <= now:
            _, key = heapq.heappop(self._heap)
            del self._when[key]
            yield key
