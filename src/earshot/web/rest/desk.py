"""What the routes of the REST API work with, and the one way from JSON to a command of the protocol.

The one rule: `perform` asks for exactly the permissions that the command needs, whichever route it is called from.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo

from starlette.requests import Request as HttpRequest

from earshot.actor import Actor
from earshot.api.context import Context
from earshot.api.dispatch import Api
from earshot.api.live import LiveSource
from earshot.api.media import MediaReply
from earshot.api.permissions import needed
from earshot.api.tokens import Tokens
from earshot.ports import RecordingRow
from earshot.ports.access import shown
from earshot.ports.audit import AuditLog
from earshot.protocol.decode import decode_pairs
from earshot.protocol.results import Result
from earshot.web.openings import Openings
from earshot.web.rest.problems import NO_RECORDING, Problem, not_found, refusal_of

PARTIAL = "API_PARTIAL_CORE_RESPONSE"
LAST_NUMBER = 2**63 - 1


@dataclass(slots=True, kw_only=True)
class Desk:
    """The parts. `zone` is that of the times in answers; `live` knows what goes on now."""

    context: Context
    zone: tzinfo
    live: LiveSource
    tokens: Tokens
    trail: AuditLog
    openings: Openings

    def time(self, seconds: float) -> datetime:
        """A moment with its zone."""
        return datetime.fromtimestamp(seconds, self.zone)

    def time_or_none(self, seconds: float | None) -> datetime | None:
        """The same, None for never."""
        return self.time(seconds) if seconds else None

    async def answer(self, actor: Actor, command: str, fields: Iterable[tuple[str, str]]) -> Result | MediaReply:
        """What the command answers. Raises Problem where the request is not acceptable or not allowed."""
        decoded = decode_pairs([*fields, ("TYPE", command), ("REQUESTID", "1")], "http")
        if isinstance(decoded, Result):
            raise refusal_of(decoded)
        missing = sorted(one for one in needed(command, decoded.params) if not actor.may(one))
        if missing:
            raise Problem(403, f"{command} needs the permission {' and '.join(missing)}")
        return await Api(self.context).answer(decoded._replace(actor=actor))

    async def perform(self, actor: Actor, command: str, fields: Iterable[tuple[str, str]]) -> Result:
        """The result of a command that succeeded, on some of the cores at least. Raises Problem."""
        answer = await self.answer(actor, command, fields)
        if isinstance(answer, MediaReply):
            raise TypeError(f"{command} answers with media")
        if not answer.ok and answer.label != PARTIAL:
            raise refusal_of(answer)
        return answer

    async def recording(self, actor: Actor, record_id: int) -> RecordingRow:
        """The recording, complete. Raises Problem for one that is not there or not shown to the actor."""
        row = await self.context.store.recording(record_id) if 0 < record_id <= LAST_NUMBER else None
        if row is None or not shown(row.sealed, actor.sees):
            raise not_found(f"recording {record_id}", NO_RECORDING)
        return row


def who(request: HttpRequest) -> Actor:
    """Who asks, on a guarded route."""
    actor: Actor = request.state.actor
    return actor


def value_in(result: Result, tag: str) -> str:
    """The text of the first node `tag` of an answer; empty if there is none."""
    for name, content in result.body:
        if name == tag and isinstance(content, str):
            return content
    return ""
