"""What blackouts need of the store: finding sealed recordings that a span reaches, and renewing what their rows say.

A blackout may reach back into a recording that is sealed already. The one rule: the row and its media say the same
again after one transaction, and the span stands in the row's gaps. Times are seconds since the Unix epoch.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from earshot.errors import EarshotError
from earshot.media.packets import LegFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedMedia:
    """What is to be known of a sealed recording in order to silence a span of it. `gaps` as in `SealedRecording`."""

    record_id: int
    call_key: str
    recording_time: float
    duration_s: float
    object_name: str
    media_type: str
    audio_sha256: str
    gaps: tuple[tuple[float, float, str], ...]
    legs: tuple[LegFigures, ...] = ()
    agent_id: int | None = None
    device_id: str = ""
    device_alias: str = ""
    station: str = ""
    session_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """What a row says of its media once that was written anew; `legs` None are as they were."""

    audio_sha256: str
    audio_size: int
    peaks: bytes
    peaks_per_second: int
    gaps: tuple[tuple[float, float, str], ...]
    legs: tuple[LegFigures, ...] | None = None


LEGAL_HOLD = "under legal hold"
"""What the reason says of a removal that waits for a hold to be lifted."""


class OnHold(EarshotError):
    """What a blackout reaches is under these legal `holds` and stays as it is."""

    def __init__(self, what: str, holds: Collection[int]) -> None:
        super().__init__(f"{what} is {LEGAL_HOLD} {', '.join(map(str, sorted(holds)))}")
        self.holds = tuple(sorted(holds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What may be altered is decided now, but for what is held: holds by RECORDID, and by the number of a screen
    session. `begun` says that something of the same span was decided before."""

    held: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    held_screens: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    begun: bool = False

    @property
    def holds(self) -> frozenset[int]:
        """The numbers of all holds in the way."""
        found = (*self.held.values(), *self.held_screens.values())
        return frozenset(hold for holds in found for hold in holds)

    @property
    def is_refused(self) -> bool:
        """Whether nothing was decided, now or before: what was to go together is held in some part."""
        return bool(self.holds) and not self.begun


class SealedMediaStore(Protocol):
    """Every method may raise `earshot.errors.StoreUnavailable`. Lists are by RECORDID."""

    async def of_calls(self, keys: Collection[str]) -> list[SealedMedia]:
        """All recordings of the calls with these keys."""
        ...

    async def of_last_call(self, device_id: str, call_instance: str | None) -> list[SealedMedia]:
        """All recordings of the last call of a device that has any (of that call instance, unless None)."""
        ...

    async def of_agent(
        self, agent_id: int, phones: Collection[str], devices: Mapping[str, str], since: float, until: float
    ) -> list[SealedMedia]:
        """Recordings with sound between two times of the agent with that USERID (0: nobody), of a device or alias that
        is one of `phones`, or of one of `devices` as long as the alias was that of the mapping or blank."""
        ...

    async def renew(self, record_id: int, renewed: Renewed, object_name: str | None = None) -> bool:
        """Say in the row what its media are now; False if there is no such row any more, or if its media lie elsewhere
        than at `object_name` by now."""
        ...

    async def decide(
        self, span: tuple[int, int], recordings: Collection[int], screens: Collection[int], *, together: bool
    ) -> Decided:
        """Decide that `span` (from, until in microseconds) goes from these recordings and screen sessions, but for
        those that a standing hold covers: whichever of hold and decision is stored first counts. What was decided stays
        so until it is settled. With `together`, unless some of it was decided before, one that is held keeps all."""
        ...

    async def settle(self, span: tuple[int, int]) -> None:
        """What was decided of the span is done: the decisions are forgotten."""
        ...

    async def mark(self, record_id: int, gaps: tuple[tuple[float, float, str], ...]) -> bool:
        """Put `gaps` in the place of those in the row, whose media stay as they are; False if there is no such row."""
        ...
