"""Settings that are changed while the system runs, and locations. Unlike `config`, they live in the database.

The one rule: a change counts at once, for whoever reads next. Every method may raise
`earshot.errors.StoreUnavailable`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """A setting: a JSON document under a name, with who set it when (seconds since the Unix epoch)."""

    name: str
    value: Any
    changed_at: float
    changed_by: str


class Preferences(Protocol):
    """Named settings."""

    async def preference(self, name: str) -> Preference | None:
        """The setting of that name, None if nobody ever set it."""
        ...

    async def set_preference(self, name: str, value: Any, by: str) -> Preference:
        """Set it, whatever it was; returns what is kept. Raises ValueError for a value that is no JSON document."""
        ...

    async def preferences(self) -> Sequence[Preference]:
        """All that were ever set, by name."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A place with computers (LOCATIONID). Number 1 is there from the start."""

    number: int
    name: str


class Locations(Protocol):
    """The list of locations."""

    async def locations(self) -> Sequence[Location]:
        """All of them, by number."""
        ...

    async def add_location(self, name: str, number: int | None = None) -> Location:
        """Add one, under the next free number unless `number` is given. Raises `earshot.ports.NotUnique` for a number
        ("location") or a name ("location name", whatever the letter case) that is taken, ValueError for a number below
        1 or a name that is blank or longer than 255 characters."""
        ...

    async def rename_location(self, number: int, name: str) -> Location:
        """Give it another name. Raises `earshot.ports.NotFound`, NotUnique or ValueError as above."""
        ...
