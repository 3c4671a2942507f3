"""Sealed media for blackouts, in memory: for tests, and for a server that need not remember.

Same contract as `sql.blackouts` (tests/contracts).
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from earshot.ports import SealedRecording
from earshot.ports.blackouts import Decided, Renewed, SealedMedia
from earshot.store.memory import MemoryStore
from earshot.store.memory_retention import MemoryRetention
from earshot.store.memory_screen_retention import MemoryScreenRetention


class MemoryBlackouts:
    """The port `earshot.ports.blackouts.SealedMediaStore` over the recordings of a store in memory, and the holds on
    them and on screen sessions."""

    def __init__(
        self,
        store: MemoryStore,
        retention: MemoryRetention | None = None,
        screens: MemoryScreenRetention | None = None,
    ) -> None:
        self._store = store
        self._retention = retention
        self._screens = screens
        self._decided: dict[tuple[int, int], set[tuple[str, int]]] = {}

    def _where(self, wanted: Callable[[SealedRecording], bool]) -> list[SealedMedia]:
        self._store._answer()
        return [
            SealedMedia(
                record_id=ident,
                call_key=one.call_key,
                recording_time=one.recording_time,
                duration_s=one.duration_s,
                object_name=one.object_name,
                media_type=one.media_type,
                audio_sha256=one.audio_sha256,
                gaps=one.gaps,
                legs=one.legs,
                agent_id=one.agent_id,
                device_id=one.variables.device_id,
                device_alias=one.variables.device_alias,
                station=one.variables.station,
                session_id=one.variables.session_id,
            )
            for ident, (one, _) in sorted(self._store._recordings.items())
            if wanted(one)
        ]

    async def of_calls(self, keys: Collection[str]) -> list[SealedMedia]:
        """See `SealedMediaStore.of_calls`."""
        return self._where(lambda one: one.call_key in keys)

    async def of_last_call(self, device_id: str, call_instance: str | None) -> list[SealedMedia]:
        """See `SealedMediaStore.of_last_call`."""
        last = await self._store.last_recording_of_device(device_id, call_instance)
        row = await self._store.recording(last) if last is not None else None
        return await self.of_calls([row.sealed.call_key]) if row is not None else []

    async def of_agent(
        self, agent_id: int, phones: Collection[str], devices: Mapping[str, str], since: float, until: float
    ) -> list[SealedMedia]:
        """See `SealedMediaStore.of_agent`."""

        def is_theirs(one: SealedRecording) -> bool:
            device, alias = one.variables.device_id, one.variables.device_alias
            by_place = device in devices and alias in ("", devices[device])
            return (agent_id != 0 and one.agent_id == agent_id) or device in phones or alias in phones or by_place

        return self._where(
            lambda one: one.recording_time < until and one.recording_time + one.duration_s > since and is_theirs(one)
        )

    async def renew(self, record_id: int, renewed: Renewed, object_name: str | None = None) -> bool:
        """See `SealedMediaStore.renew`."""
        self._store._answer()
        if record_id not in self._store._recordings:
            return False
        sealed, warnings = self._store._recordings[record_id]
        if object_name not in (None, sealed.object_name):
            return False
        changed = replace(
            sealed,
            audio_sha256=renewed.audio_sha256,
            audio_size=renewed.audio_size,
            peaks=renewed.peaks,
            peaks_per_second=renewed.peaks_per_second,
            gaps=renewed.gaps,
            legs=sealed.legs if renewed.legs is None else renewed.legs,
        )
        self._store._recordings[record_id] = (changed, warnings)
        return True

    async def decide(
        self, span: tuple[int, int], recordings: Collection[int], screens: Collection[int], *, together: bool
    ) -> Decided:
        """See `SealedMediaStore.decide`."""
        self._store._answer()
        known = self._decided.get(span, set())
        held: dict[int, tuple[int, ...]] = {}
        held_screens: dict[int, tuple[int, ...]] = {}
        for one in recordings:
            if self._retention is not None and ("recording", one) not in known:
                held |= {one: standing} if (standing := self._retention.holding(one)) else {}
        for one in screens:
            if self._screens is not None and ("screen session", one) not in known:
                held_screens |= {one: standing} if (standing := self._screens.holding(one)) else {}
        decided = Decided(held=held, held_screens=held_screens, begun=bool(known))
        if not (together and decided.is_refused):
            made = {("recording", one) for one in recordings if one not in held}
            made |= {("screen session", one) for one in screens if one not in held_screens}
            if made:
                self._decided[span] = known | made
        return decided

    async def settle(self, span: tuple[int, int]) -> None:
        """See `SealedMediaStore.settle`."""
        self._store._answer()
        self._decided.pop(span, None)

    async def mark(self, record_id: int, gaps: tuple[tuple[float, float, str], ...]) -> bool:
        """See `SealedMediaStore.mark`."""
        self._store._answer()
        if record_id not in self._store._recordings:
            return False
        sealed, warnings = self._store._recordings[record_id]
        self._store._recordings[record_id] = (replace(sealed, gaps=gaps), warnings)
        return True
