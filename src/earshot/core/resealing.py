"""Blackouts that reach into sealed recordings: the media are written anew with silence, and their rows say so. Of one
that only hides, the rows alone say it.

Here: which recordings, and the order of steps. Not here: samples (media.silencing), pictures (screen_blackouts) and
statements. What is held is left as it is: the store decides that, once and for all, before anything is touched. The one
rule: every step may be done again: media first, then the row, so that a crash in between leaves work to be repeated and
no secret.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from earshot.engine.blackout_gaps import HIDDEN, WHY
from earshot.engine.blackout_values import Asked, Removal
from earshot.media.silencing import silence_wav, without_keys
from earshot.media.spans import Span, merged
from earshot.ports import Storage
from earshot.ports.blackouts import Decided, OnHold, Renewed, SealedMedia, SealedMediaStore
from earshot.storage.placed import name_at_place
from earshot.vault.files import create
from earshot.vault.keyring import Keyring
from earshot.vault.overwriting import discard

log = structlog.get_logger(__name__)

MICROSECONDS = 1_000_000
TOUCHING_S = 0.001
AGENT = "agent "


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """A sealed recording that a blackout took sound from: its number, the span in seconds from its start, the SHA-256
    of its media before and after."""

    record_id: int
    span: Span
    before: str
    after: str


class Pictures(Protocol):
    """What a removal reaches of screens: see `earshot.core.screen_blackouts`. `busy` is held meanwhile."""

    busy: asyncio.Lock

    async def reached(self, removal: Removal, media: Sequence[SealedMedia]) -> list[int]:
        """The numbers of the stored sessions that it is to alter."""
        ...

    async def darken(self, removal: Removal, media: Sequence[SealedMedia], held: Collection[int]) -> None:
        """Make the pictures black, in sessions that run too, but not in those that are `held`."""
        ...


async def _unnoted(record_id: int, span: Span, sha256: str) -> None:
    """Nobody keeps an audit trail."""


async def _unasked(asked: Asked, holds: Collection[int]) -> None:
    """Nobody keeps an audit trail."""


async def _nowhere(rewritten: Sequence[SealedMedia]) -> None:
    """Recordings lie in one place alone."""


async def _no_copies(media: SealedMedia) -> Sequence[str]:
    """There are none."""
    return ()


class Resealing:
    """`elsewhere` is awaited with what was rewritten: it sees to all other places where that lies. `copies` names the
    copies of a recording. `pictures` sees to screens, where there are any.

    `asked` is told of what somebody asked for, once it is decided and before anything is touched; with the holds that
    are in the way, where nothing will be. `hidden` is told of each recording that is to be marked, before its row is:
    number, span, SHA-256 of the media. `noted` is told of each recording that was rewritten, before its row is. With a
    `keyring` media are written encrypted, with a fresh key each time, and the storage destroys the one before."""

    def __init__(
        self,
        store: SealedMediaStore,
        storage: Storage,
        work: Path,
        noted: Callable[[Rewritten], Awaitable[None]],
        keyring: Keyring | None = None,
    ) -> None:
        self._store = store
        self._storage = storage
        self._work = work
        self._noted = noted
        self._keyring = keyring
        self.asked: Callable[[Asked, Collection[int]], Awaitable[None]] = _unasked
        self.hidden: Callable[[int, Span, str], Awaitable[None]] = _unnoted
        self.elsewhere: Callable[[Sequence[SealedMedia]], Awaitable[None]] = _nowhere
        self.copies: Callable[[SealedMedia], Awaitable[Sequence[str]]] = _no_copies
        self.pictures: Pictures | None = None
        self._one_at_a_time = asyncio.Lock()

    async def remove(self, removal: Removal) -> int:
        """Silence the span in every sealed recording it reaches, or with `hide` mark it there; make pictures of screens
        black, where it says so. Gives how many recordings it reaches, those included that were sealed with it.

        Raises OnHold when some is held: nothing was touched, if it was to go together; else all but that. Raises
        StoreUnavailable, OSError, BadInput."""
        pictures = self.pictures if removal.screens else None
        async with self._one_at_a_time, nullcontext() if pictures is None else pictures.busy:
            reached = await self._reached(removal)
            recordings = [] if removal.hide else [one.record_id for one in reached if _is_asked_for(one, removal)]
            screens = await pictures.reached(removal, reached) if pictures is not None else []
            span, is_stored = (removal.from_us, removal.until_us), bool(reached or screens)
            decided = Decided()
            if is_stored:  # else the store need not be there
                decided = await self._store.decide(span, recordings, screens, together=removal.together)
            is_refused = removal.together and decided.is_refused
            if removal.asked is not None:
                await self.asked(removal.asked, decided.holds if is_refused else ())
            if is_refused:
                raise _on_hold(decided)
            done = []
            for media in reached:
                if media.record_id not in decided.held and await self._remove_sound(media, removal):
                    done.append(media)
            if not removal.hide:
                await self.elsewhere(done)
            if pictures is not None:
                await pictures.darken(removal, reached, decided.held_screens)
            if is_stored:
                await self._store.settle(span)
            if decided.holds:
                raise _on_hold(decided)
            return len(done)

    async def _remove_sound(self, media: SealedMedia, removal: Removal) -> bool:
        return await (self._mark if removal.hide else self._rewrite)(media, removal)

    async def _reached(self, removal: Removal) -> list[SealedMedia]:
        found = await self._store.of_calls(removal.calls)
        if removal.last_of:
            found += await self._store.of_last_call(removal.last_of, removal.instance)
        if removal.agent:
            agent_id = int(removal.agent.removeprefix(AGENT)) if removal.agent.startswith(AGENT) else 0
            since, until = removal.from_us / MICROSECONDS, removal.until_us / MICROSECONDS
            found += await self._store.of_agent(agent_id, removal.phones, removal.devices, since, until)
        return list({media.record_id: media for media in found}.values())

    async def _mark(self, media: SealedMedia, removal: Removal) -> bool:
        """Say in the row that the span is hidden; False for a recording that the span does not reach."""
        start_s, end_s = _within(media, removal)
        if end_s <= start_s:
            return False
        spans = [(start, end) for start, end, why in media.gaps if why == HIDDEN]
        if not _covered(spans, start_s, end_s):
            spans = merged([*spans, (start_s, end_s)], TOUCHING_S)
            others = [gap for gap in media.gaps if gap[2] != HIDDEN]
            await self.hidden(media.record_id, (start_s, end_s), media.audio_sha256)
            gaps = tuple(sorted([*others, *((start, end, HIDDEN) for start, end in spans)]))
            return await self._store.mark(media.record_id, gaps)
        return True

    async def _rewrite(self, media: SealedMedia, removal: Removal) -> bool:
        start_s, end_s = _within(media, removal)
        if end_s <= start_s:
            return False
        hidden = [(start, end) for start, end, why in media.gaps if why == WHY]
        if _covered(hidden, start_s, end_s):
            return True  # it was sealed with this blackout
        hidden = merged([*hidden, (start_s, end_s)], TOUCHING_S)
        target = self._work / f"blackout-{removal.number}-{media.record_id}.wav"
        try:
            source = await self._source(media)
            name = name_at_place(media.object_name)
            try:
                done = await asyncio.to_thread(silence_wav, source, target, hidden, self._keyring, name)
            finally:
                if source.parent == self._work:
                    await asyncio.to_thread(discard, source)
        except FileNotFoundError:
            if await self._is_there(media):
                raise
            now = await self._now(media)
            if now is not None and now.object_name != media.object_name:
                return await self._rewrite(now, removal)  # it was moved meanwhile
            for copy in await self.copies(media):
                raise OSError(
                    f"the media of recording {media.record_id} are not at {media.object_name}, but its copy {copy} has "
                    "the sound: bring them back from there"
                ) from None
            log.warning("blackout_found_no_media", recording=media.record_id, object=media.object_name)
            await self.elsewhere([media])  # what was on its way to an archive may still have them
            return False
        await self._storage.put_file(media.object_name, target)
        others = [gap for gap in media.gaps if gap[2] != WHY]
        renewed = Renewed(
            audio_sha256=done.sha256,
            audio_size=done.size,
            peaks=done.peaks,
            peaks_per_second=done.peaks_per_second,
            gaps=tuple(sorted([*others, *((start, end, WHY) for start, end in hidden)])),
            legs=without_keys(media.legs, hidden),
        )
        await self._noted(
            Rewritten(record_id=media.record_id, span=(start_s, end_s), before=media.audio_sha256, after=done.sha256)
        )
        if not await self._store.renew(media.record_id, renewed, media.object_name):
            return await self._once_more(media, removal)
        log.warning("sealed_recording_rewritten", recording=media.record_id, why=WHY, sha256=done.sha256)
        return True

    async def _is_there(self, media: SealedMedia) -> bool:
        """Whether the media are where the row says after all. Raises OSError for a place that is away: they may be."""
        try:
            await self._storage.size(media.object_name)
        except FileNotFoundError:
            return False
        return True

    async def _once_more(self, media: SealedMedia, removal: Removal) -> bool:
        """The recording was deleted or moved meanwhile: what was put where it lay goes, and it is done where it is."""
        await self._storage.delete(media.object_name)
        now = await self._now(media)
        return await self._rewrite(now, removal) if now is not None else False

    async def _now(self, media: SealedMedia) -> SealedMedia | None:
        """The recording as its row is now; None if it was deleted."""
        found = await self._store.of_calls([media.call_key])
        return next((one for one in found if one.record_id == media.record_id), None)

    async def _source(self, media: SealedMedia) -> Path:
        """The media as a file on this machine, which is the one that was put. Raises FileNotFoundError, VaultError."""
        local = self._storage.local_path(media.object_name)
        if local is not None:
            if self._keyring is not None:
                await self._storage.size(media.object_name)
            return local
        fetched = self._work / f"blackout-source-{media.record_id}"
        try:
            with create(fetched, self._keyring, name_at_place(media.object_name)) as file:
                async for chunk in self._storage.read(media.object_name):
                    await asyncio.to_thread(file.write, chunk)
        except BaseException:
            discard(fetched)
            raise
        return fetched


def _is_asked_for(media: SealedMedia, removal: Removal) -> bool:
    """Whether a hold on the recording is in the way: on all of a call where that goes together, else where something is
    to be silenced that is not yet."""
    start_s, end_s = _within(media, removal)
    silent = [(start, end) for start, end, why in media.gaps if why == WHY]
    return removal.together or (end_s > start_s and not _covered(silent, start_s, end_s))


def _on_hold(decided: Decided) -> OnHold:
    named = [f"recording {one}" for one in decided.held] + [f"screen session {one}" for one in decided.held_screens]
    return OnHold(named[0], decided.holds)


def _within(media: SealedMedia, removal: Removal) -> Span:
    """The removal's span in seconds from the start of the recording; empty or less when it lies outside."""
    start_s = max(removal.from_us / MICROSECONDS - media.recording_time, 0.0)
    return start_s, min(removal.until_us / MICROSECONDS - media.recording_time, media.duration_s)


def _covered(spans: Sequence[Span], start_s: float, end_s: float) -> bool:
    return any(start <= start_s + TOUCHING_S and end >= end_s - TOUCHING_S for start, end in spans)
