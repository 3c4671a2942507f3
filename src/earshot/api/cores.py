"""The cores a command is sent to, and the three outcomes of sending: all, some, none (reference.md 14.3, "Cores").

With one built-in core the list has one entry; the shape of the answers is the same with many.
"""

from collections.abc import Sequence
from typing import NamedTuple

from earshot.engine.inputs import Input
from earshot.ports import CoreAway, CoreLink


class Sent(NamedTuple):
    """Which cores took an input and which did not."""

    reached: tuple[int, ...]
    missed: tuple[int, ...]


class Cores:
    """All cores of this system."""

    def __init__(self, links: Sequence[CoreLink]) -> None:
        self.links = tuple(links)

    def send(self, told: Input) -> Sent:
        """Send the input to every core."""
        reached, missed = [], []
        for link in self.links:
            try:
                link.tell(told)
            except CoreAway:
                missed.append(link.ident)
            else:
                reached.append(link.ident)
        return Sent(tuple(reached), tuple(missed))
