"""Leaves: one event each, as canonical JSON.

The text is that of RFC 8785 for the values allowed here: no blanks, keys sorted by their UTF-16 code units, UTF-8,
whole numbers only. The one rule: whoever knows the event makes the same bytes.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from types import NoneType
from typing import Any, Final, Self

import orjson

from earshot.errors import BadInput

VERSION: Final = 1
LARGEST: Final = 2**53 - 1
"""The largest whole number that every reader of JSON keeps exactly (RFC 8785, 3.2.2.3)."""

SEALED, REWRITTEN, DELETED, AUDIT, SCREEN = "sealed", "rewritten", "deleted", "audit", "screen"
"""Kinds of leaves that Earshot itself looks for; others, such as `hold placed`, are kept in the same way."""


def canonical(value: Any) -> bytes:
    """The canonical JSON of `value`. Raises ValueError for what has none: floats, numbers above 2^53 - 1, keys that are
    no texts, lone surrogates."""
    if _is_plain(value):
        with suppress(orjson.JSONEncodeError):  # the other way says what is wrong
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    try:
        return json.dumps(_ordered(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except UnicodeEncodeError as why:
        raise ValueError(f"a leaf is UTF-8: {why}") from None


def _is_plain(value: Any) -> bool:
    """Whether this is what nearly every leaf is made of, with keys that sort alike by letters, bytes and code units."""
    kind = type(value)
    if kind is dict:
        return all(type(key) is str and key.isascii() and _is_plain(one) for key, one in value.items())
    if kind is list or kind is tuple:
        return all(map(_is_plain, value))
    return kind in (str, bool, NoneType) or (kind is int and -LARGEST <= value <= LARGEST)


def _ordered(value: Any) -> Any:
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, int):
        if abs(value) > LARGEST:
            raise ValueError(f"{value} is larger than every reader keeps")
        return value
    if isinstance(value, (list, tuple)):
        return [_ordered(one) for one in value]
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise ValueError("the keys of a leaf are texts")
        by_units = sorted(value, key=lambda key: str(key).encode("utf-16-be", "surrogatepass"))
        return {key: _ordered(value[key]) for key in by_units}
    raise ValueError(f"a leaf holds no {type(value).__name__}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """An event: `kind` (sealed, rewritten, deleted, audit, hold placed, ...) about `subject` (`recording 17`), logged
    at `at_us` (microseconds since the Unix epoch).

    `key` is unique in the log, so that logging twice is logging once. `row` is the number of the database row that the
    leaf stands for, 0 for none. `body` is JSON without floats.
    """

    kind: str
    subject: str
    key: str
    row: int = 0
    at_us: int = 0
    body: Mapping[str, Any] = field(default_factory=dict)

    def text(self) -> bytes:
        """The bytes that are logged and hashed. Raises ValueError, see `canonical`."""
        return canonical(
            {
                "at_us": self.at_us,
                "body": self.body,
                "key": self.key,
                "kind": self.kind,
                "row": self.row,
                "subject": self.subject,
                "v": VERSION,
            }
        )

    @classmethod
    def read(cls, text: bytes) -> Self:
        """The leaf of these bytes. Raises BadInput unless they are exactly what `text` makes."""
        try:
            found = json.loads(text)
            if found.pop("v") != VERSION:
                raise ValueError("its version is not known here")
            leaf = cls(**found)
            texts = all(isinstance(one, str) for one in (leaf.kind, leaf.subject, leaf.key))
            if not texts or not isinstance(leaf.row, int) or not isinstance(leaf.body, dict) or leaf.text() != text:
                raise ValueError("it is not canonical")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as why:
            raise BadInput(f"this is no leaf: {why}") from None
        return leaf


def key_of(kind: str, subject: str, body: Mapping[str, Any]) -> str:
    """A key for an event that has none of its own: the same event told twice has the same."""
    return f"{kind}/{sha256(canonical([kind, subject, body])).hexdigest()[:32]}"
