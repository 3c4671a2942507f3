"""Query strings and form bodies: the same pairs of names and values that an XML request gives.

What does not live here: HTTP, and what the pairs mean (`decode`).
The one rule: reading never fails; bytes that are no UTF-8 are read as latin-1, a lone `%` is a `%`.
"""

from urllib.parse import unquote_to_bytes


def parse_query(query: bytes | str) -> list[tuple[str, str]]:
    """The (name, value) pairs of `a=1&b=2`, decoded, in order. A name without `=` has the value ""."""
    text = query.decode("latin-1") if isinstance(query, bytes) else query
    pairs = []
    for part in text.lstrip("?").split("&"):
        if part:
            name, _, value = part.partition("=")
            pairs.append((_decoded(name), _decoded(value)))
    return pairs


def _decoded(text: str) -> str:
    if "+" in text:
        text = text.replace("+", " ")
    if text.isascii() and "%" not in text:
        return text
    raw = unquote_to_bytes(text.encode("latin-1") if _is_latin(text) else text)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _is_latin(text: str) -> bool:
    return text.isascii() or max(text) <= "\xff"
