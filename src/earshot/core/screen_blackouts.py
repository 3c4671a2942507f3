"""Blackouts that reach back into the pictures of screens: stored sessions, sessions that run, and pieces to come.

Here: which sessions, and the order of steps. Not here: pictures (media.blackening), holds and statements. A desktop has
a clock of its own, and a picture is seen until the next: black are the pictures from `MARGIN_S` before the span to as
long after it. The one rule: as for sound, media first, then the row, and every step may be done again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from earshot.core.chat_rows import MICROSECONDS
from earshot.core.recorder import Recorder
from earshot.core.screen_schedules import PREFIX
from earshot.engine.blackout_values import Removal
from earshot.engine.chat_values import Chat, DarkenChat, SegmentKept, SegmentRewritten
from earshot.media.blackening import Blackened, blacken
from earshot.media.spans import Span, merged
from earshot.ports import Storage
from earshot.ports.blackouts import SealedMedia
from earshot.ports.capture import segment_file
from earshot.ports.screens import Screens, ScreenSegment, ScreenSession, Whose
from earshot.vault.files import create
from earshot.vault.keyring import Keyring
from earshot.vault.overwriting import discard

log = structlog.get_logger(__name__)

MARGIN_S = 1.0
AGENT = "agent "


@dataclass(frozen=True, slots=True, kw_only=True)
class RewrittenPicture:
    """A piece of a stored session that a blackout took pictures from: the session's number, the piece's, the span in
    seconds from the start of the session, the SHA-256 of the file before and after, its size now."""

    screen: int
    segment: int
    span: Span
    before: str
    after: str
    size: int


class ScreenBlackouts:
    """Implements `earshot.core.resealing.Pictures`. `folder` is where desktops put their pieces; `busy` is held by who
    takes pieces in, stores sessions or removes something, so that what was decided of a session is what is changed.

    `noted` is told of each piece of a stored session that was rewritten, before its row is."""

    def __init__(
        self,
        screens: Screens,
        recorder: Recorder,
        storage: Storage,
        *,
        folder: Path,
        work: Path,
        noted: Callable[[RewrittenPicture], Awaitable[None]],
        keyring: Keyring | None = None,
    ) -> None:
        self.busy = asyncio.Lock()
        self._screens = screens
        self._recorder = recorder
        self._storage = storage
        self._folder = folder
        self._work = work
        self._noted = noted
        self._keyring = keyring

    async def reached(self, removal: Removal, media: Sequence[SealedMedia]) -> list[int]:
        """See `Pictures.reached`. Raises StoreUnavailable."""
        since, until = removal.from_us / MICROSECONDS, removal.until_us / MICROSECONDS
        rows = await self._screens.screens_of(whose(removal, media), since, until)
        return [row.number for row in rows if removal.together or not _is_black(row.session, since, until)]

    async def darken(self, removal: Removal, media: Sequence[SealedMedia], held: Collection[int]) -> None:
        """See `Pictures.darken`. Raises StoreUnavailable, OSError, VaultError."""
        of, since, until = whose(removal, media), removal.from_us / MICROSECONDS, removal.until_us / MICROSECONDS
        for chat in list(self._recorder.state.chats.values()):
            is_over = chat.stopped_us is not None and chat.stopped_us <= removal.from_us
            told = chat.session_id, chat.agent.agent_id, chat.variables, chat.computer
            if chat.started_us < removal.until_us and not is_over and of.show(*told):
                await self._darken_running(chat, removal)
        for row in await self._screens.screens_of(of, since, until):
            if row.number not in held and not _is_black(row.session, since, until):
                await self._darken_stored(row.number, row.session, since, until)

    # --- stored sessions --------------------------------------------------------------------------------------------

    async def _darken_stored(self, number: int, session: ScreenSession, since: float, until: float) -> None:
        files: dict[int, tuple[str, int]] = {}
        span = max(since - session.started_at, 0.0), min(until, session.stopped_at) - session.started_at
        for segment in session.segments:
            hidden = _within(segment.began_at, _lasts(segment, session), [(since, until)])
            done = await self._rewrite(segment.object_name, segment.media_type, segment.duration_s, hidden)
            if done is not None and done.sha256 != segment.sha256:
                files[segment.number] = done.sha256, done.size
                rewritten = RewrittenPicture(
                    screen=number,
                    segment=segment.number,
                    span=span,
                    before=segment.sha256,
                    after=done.sha256,
                    size=done.size,
                )
                await self._noted(rewritten)
                log.warning("screen_rewritten", session=number, segment=segment.number, sha256=done.sha256)
        black = tuple(merged([*session.black_spans, span], 0.0))
        if not await self._screens.renew_screen(number, files, black):
            for segment in session.segments:  # it was deleted meanwhile: what was put where it lay goes
                if segment.number in files:
                    await self._storage.delete(segment.object_name)

    async def _rewrite(self, name: str, media_type: str, duration_s: float, hidden: Sequence[Span]) -> Blackened | None:
        """What the object is then; None when nothing of it is hidden, or when it is not there."""
        if not hidden:
            return None
        target = self._work / f"blackout-screen-{name.rsplit('/', 1)[-1]}"
        fetched = target.with_name(f"{target.name}.source")
        try:
            await self._storage.size(name)  # a plain file in the place of an encrypted one is refused, not made genuine
            source = self._storage.local_path(name)
            if source is None:
                source = fetched
                with create(fetched, self._keyring, name) as file:
                    async for chunk in self._storage.read(name):
                        await asyncio.to_thread(file.write, chunk)
            done = await asyncio.to_thread(
                blacken,
                source,
                target,
                hidden,
                media_type=media_type,
                duration_s=duration_s,
                keys=self._keyring,
                name=name,
            )
        except FileNotFoundError:
            log.warning("blackout_found_no_picture", object=name)
            return None
        finally:
            await asyncio.to_thread(discard, fetched)
        if done.is_new:
            await self._storage.put_file(name, target)
        return done

    # --- sessions that are not stored yet ---------------------------------------------------------------------------

    async def _darken_running(self, chat: Chat, removal: Removal) -> None:
        self._recorder.apply(DarkenChat(chat=chat.key, from_us=removal.from_us, until_us=removal.until_us))
        for kept in list(chat.segments):
            path = self._folder / segment_file(chat.key, kept.number, kept.media_type)
            if await asyncio.to_thread(path.is_file):
                done = await self.darken_arrived(chat, path, kept.media_type, kept.began_us, kept.duration_s)
            else:
                hidden = self._hidden(chat, kept.began_us, kept.duration_s)
                done = await self._rewrite(kept.object_name, kept.media_type, kept.duration_s, hidden)
            if done is not None and done.sha256 != kept.sha256:
                self._told_of(chat, kept, done)

    def _told_of(self, chat: Chat, kept: SegmentKept, done: Blackened) -> None:
        log.warning("screen_rewritten", session=chat.session_id, segment=kept.number, sha256=done.sha256)
        self._recorder.apply(SegmentRewritten(chat=chat.key, number=kept.number, sha256=done.sha256, size=done.size))

    def _hidden(self, chat: Chat, began_us: int, duration_s: float) -> list[Span]:
        spans = [(one.from_us / MICROSECONDS, (one.until_us or 0) / MICROSECONDS) for one in chat.dark_spans]
        return _within(began_us / MICROSECONDS, duration_s, spans)

    async def darken_arrived(
        self, chat: Chat, path: Path, media_type: str, began_us: int, duration_s: float
    ) -> Blackened | None:
        """Take out of a piece that has just come from a desktop what was blacked out meanwhile; None when that is
        nothing. Raises OSError."""
        hidden = self._hidden(chat, began_us, duration_s)
        if not hidden:
            return None
        target = path.with_name(f"{path.name}.black")
        done = await asyncio.to_thread(
            blacken, path, target, hidden, media_type=media_type, duration_s=duration_s, keys=self._keyring
        )
        if done.is_new:
            await asyncio.to_thread(discard, path)
            await asyncio.to_thread(target.replace, path)
        return done


def whose(removal: Removal, media: Sequence[SealedMedia]) -> Whose:
    """Whose screens a removal reaches: those of the agent it names, else those that show the calls of `media`: of the
    same SESSIONID, begun with the call by its schedule, of the agent of a recording; where nobody knows that agent, of
    the same device, number or computer."""
    calls = {*removal.calls, *(one.call_key for one in media)}
    sessions = {one.session_id for one in media} | {f"{PREFIX}call/{key}" for key in calls}
    if removal.agent.startswith(AGENT):
        agents = {int(removal.agent.removeprefix(AGENT))}
        return Whose(session_ids=frozenset(sessions - {""}), agents=frozenset(agents))
    unknown = [one for one in media if not one.agent_id]
    numbers = {number for one in unknown for number in (one.device_id, one.device_alias)}
    return Whose(
        session_ids=frozenset(sessions - {""}),
        agents=frozenset(one.agent_id for one in media if one.agent_id),
        numbers=frozenset({*numbers, *removal.phones, *removal.devices} - {""}),
        computers=frozenset({one.station.casefold() for one in unknown} - {""}),
    )


def _is_black(session: ScreenSession, since: float, until: float) -> bool:
    """Whether the session is black from one time to the other already, as far as it lasted."""
    start_s = max(since - session.started_at, 0.0)
    end_s = min(until, session.stopped_at) - session.started_at
    return any(start <= start_s and end >= end_s for start, end in session.black_spans)


def _lasts(segment: ScreenSegment, session: ScreenSession) -> float:
    """Seconds of a piece; until the end of the session where nobody knows."""
    return segment.duration_s or max(session.stopped_at - segment.began_at, 0.0)


def _within(began_at: float, duration_s: float, spans: Sequence[Span]) -> list[Span]:
    """The spans with their margins, in seconds from the begin of a piece, that reach into it."""
    moved = [(start - MARGIN_S - began_at, end + MARGIN_S - began_at) for start, end in spans]
    return [(start, end) for start, end in moved if end > 0 and (start < duration_s or not duration_s)]
