"""What the engine wants done. The core performs effects; it decides nothing by itself."""

from dataclasses import dataclass
from typing import NamedTuple

from earshot.engine.blackout_values import BlackoutEffect
from earshot.engine.chat_values import ChatEffect
from earshot.engine.schedule_values import ScheduleEffect
from earshot.engine.variables import CallVariables


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepLeg:
    """From now on the packets of this leg are written to the journal."""

    leg: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DropLeg:
    """From now on the packets of this leg are read and thrown away: no call wants them."""

    leg: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NameRecording:
    """A recording began and needs its object name."""

    call: str
    part: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SealCall:
    """The call has ended: seal its recordings and give it its verdict."""

    call: str


class Announce(NamedTuple):
    """Something happened that listeners of the event port and the live page may want to know."""

    event: str
    call: str
    variables: CallVariables
    announced_by: tuple[str, ...] = ()


Effect = KeepLeg | DropLeg | NameRecording | SealCall | Announce | ChatEffect | BlackoutEffect | ScheduleEffect
