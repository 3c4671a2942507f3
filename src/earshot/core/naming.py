"""Names of recordings in the storage: by device and local time, never one that is in use (reference.md 6.5)."""

from collections.abc import Callable, Iterable
from datetime import tzinfo

from earshot.engine.model import Call
from earshot.ports import FinishedCall
from earshot.storage.names import object_name, windows_name


class RecordingNames:
    """`exists` says whether an object of that name is stored; names that are given out and not stored yet are kept
    here. `prefix` is what FILENAME begins with."""

    def __init__(self, zone: tzinfo, prefix: str, exists: Callable[[str], bool], given: Iterable[str]) -> None:
        self._zone = zone
        self._prefix = prefix
        self._exists = exists
        self._given = set(given)

    def name(self, call: Call, part: int) -> tuple[str, str]:
        """(object name, FILENAME) for a recording of the call, given out once."""
        began_us = call.recordings[part].from_us
        name = object_name(
            device_id=call.device_id,
            device_alias=call.variables.device_alias,
            at=began_us / 1e6,
            zone=self._zone,
            taken=lambda one: one in self._given or self._exists(one),
        )
        self._given.add(name)
        return name, windows_name(name, self._prefix)

    def stored(self, finished: FinishedCall, record_ids: tuple[int, ...]) -> None:
        """The names of the call's recordings need not be kept any more."""
        self._given.difference_update(one.object_name for one in finished.recordings)
