"""Python values to the texts of the protocol: numbers, moments, yes and no, lists.

The one rule: None is not sent at all; "" is sent as an empty element, which empties a field in an update.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal, TypeAlias

Text: TypeAlias = str | int
Whole: TypeAlias = int | str
Number: TypeAlias = float | str
Moment: TypeAlias = datetime | float | str
Flag: TypeAlias = bool | str
Many: TypeAlias = Sequence[str | int] | str | int
Direction: TypeAlias = Literal["I", "O", ""]
Sent: TypeAlias = str | int | float | bool | datetime | Sequence[str | int] | None


def as_text(value: Sent) -> str:
    """One value that is not None as the protocol writes it. A moment without a zone is local time."""
    if isinstance(value, bool):
        return "Y" if value else "N"
    if isinstance(value, datetime):
        return f"{value.timestamp():.6f}".rstrip("0").rstrip(".")
    if isinstance(value, float):
        return f"{value:.6f}".rstrip("0").rstrip(".")
    if isinstance(value, str | int):
        return str(value)
    return ",".join(map(str, value or ()))


def as_pairs(values: Mapping[str, Sent] | Iterable[tuple[str, Sent]]) -> list[tuple[str, str]]:
    """What is to be sent, without what is None."""
    items = values.items() if isinstance(values, Mapping) else values
    return [(name, as_text(value)) for name, value in items if value is not None]
