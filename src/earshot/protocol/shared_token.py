"""The optional token that all clients of the XML protocol share: TOKEN or APITOKEN among the parameters of a request.

The specification knows no such thing; who sets no token changes nothing. The one rule: the token is compared in
constant time, and neither it nor what was sent instead is part of any answer.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from earshot.errors import BadInput
from earshot.protocol.command import Door
from earshot.protocol.decode import Request, decode_pairs, malformed
from earshot.protocol.query import parse_query
from earshot.protocol.results import INVALID_FORMAT, Result
from earshot.protocol.xml import parse

NAMES: Final = ("TOKEN", "APITOKEN")
MISSING: Final = "API_BLANK_REQUIRED_VALUE"
WRONG: Final = INVALID_FORMAT
REFUSALS: Final = {
    MISSING: "This server wants its token as TOKEN with each request",
    WRONG: "TOKEN is not the token of this server",
}


@dataclass(frozen=True, slots=True, repr=False)
class SharedToken:
    """A token that every request must bring. It is never shown, not even by `repr`."""

    value: str

    def refusal(self, pairs: Sequence[tuple[str, str]], header: str = "") -> str:
        """Empty when a parameter of `pairs` or the HTTP `header` is the token, else the label to refuse with."""
        sent = [text.strip() for name, text in pairs if name.upper() in NAMES] + [header]
        given = [text for text in sent if text]
        if any(hmac.compare_digest(text.encode(), self.value.encode()) for text in given):
            return ""
        return WRONG if given else MISSING

    def decode_xml(self, data: bytes, door: Door = "tcp", header: str = "") -> Request | Result:
        """As `decode.decode_xml`, for requests that bring the token."""
        try:
            root, pairs = parse(data)
        except BadInput as error:
            return malformed(str(error), data)
        return self._decoded(pairs, door, header, "" if root.upper() == "REQUEST" else root)

    def decode_query(self, query: bytes | str, door: Door = "http", header: str = "") -> Request | Result:
        """As `decode.decode_query`, for requests that bring the token."""
        return self._decoded(parse_query(query), door, header, "")

    def refused_xml(self, data: bytes) -> Result | None:
        """The refusal of a request that does not bring the token; None for one that does (the event port)."""
        try:
            root, pairs = parse(data)
        except BadInput as error:
            return malformed(str(error), data)
        refusal = self.refusal(pairs)
        if not refusal:
            return None
        sent = malformed("", data)
        return Result(
            sent.request_type or ("" if root.upper() == "REQUEST" else root.upper()[:64]),
            sent.request_id,
            refusal,
            REFUSALS[refusal],
        )

    def _decoded(self, pairs: Sequence[tuple[str, str]], door: Door, header: str, root: str) -> Request | Result:
        refusal = self.refusal(pairs, header)
        decoded = decode_pairs([pair for pair in pairs if pair[0].upper() not in NAMES], door, root)
        if not refusal:
            return decoded
        if isinstance(decoded, Request):
            return Result(decoded.command.name, decoded.request_id, refusal, REFUSALS[refusal])
        return Result(decoded.request_type, decoded.request_id, refusal, REFUSALS[refusal])


def is_refusal(result: Result) -> bool:
    """Whether a request was refused for its token."""
    return result.message in REFUSALS.values() and result.label in REFUSALS
