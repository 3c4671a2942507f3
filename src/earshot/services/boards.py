"""Voice boards as the setting `boards` writes them: NAME:COUNT, NAME:COUNT:device=VALUE or NAME:COUNT:kind=VALUE.

The one rule: what cannot be read is refused at the start, before a call is lost for it.
"""

from collections.abc import Iterable
from typing import get_args

from earshot.core.channels import Board
from earshot.engine.schedule_values import Kind
from earshot.errors import ConfigurationError


def boards_of(texts: Iterable[str]) -> list[Board]:
    """The boards, in order. Raises ConfigurationError."""
    return [_board(text) for text in texts]


def _board(text: str) -> Board:
    name, _, rest = text.partition(":")
    count, _, purpose = rest.partition(":")
    assign, _, value = purpose.partition("=")
    if not name.strip() or not (count.isdecimal() and 0 < int(count) < 1_000_000):
        raise ConfigurationError(f"boards: {text!r} is not NAME:COUNT, such as SIPREC:100")
    if not purpose or purpose == "anything":
        return Board(name.strip(), int(count))
    if assign not in ("device", "kind") or not value:
        raise ConfigurationError(f"boards: {text!r} is assigned to nothing: write device=555 or kind=on_demand")
    if assign == "kind" and value not in get_args(Kind):
        raise ConfigurationError(f"boards: there is no kind of recording {value!r}; there are {get_args(Kind)}")
    return Board(name.strip(), int(count), assign, value)
