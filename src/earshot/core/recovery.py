"""Start-up: from what the journal holds to a core that goes on where the last process stopped."""

from dataclasses import dataclass, field
from typing import Any

import structlog
from pydantic import TypeAdapter

from earshot.engine.inputs import from_record
from earshot.engine.model import State
from earshot.engine.step import step

log = structlog.get_logger(__name__)
_STATE = TypeAdapter(State)


@dataclass(slots=True, kw_only=True)
class Restored:
    """The state and notes as of the last durable event. `skipped` counts events this version cannot read."""

    state: State
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)
    skipped: int = 0


def restore(events: list[dict[str, Any]], core: int) -> Restored:
    """Replay `events` (last checkpoint first). Effects are not performed: what they did is in the journal too."""
    restored = Restored(state=State(core=core))
    for event in events:
        try:
            _replay(restored, event)
        except (LookupError, ValueError, TypeError) as failure:
            restored.skipped += 1
            log.error("journal_event_skipped", record=str(event)[:200], why=repr(failure))
    return restored


def _replay(restored: Restored, event: dict[str, Any]) -> None:
    if "state" in event:
        restored.state = _STATE.validate_python(event["state"])
    elif "note" in event:
        if event["body"] is None:
            restored.notes.pop(event["note"], None)
        else:
            restored.notes[event["note"]] = event["body"]
    else:
        step(restored.state, from_record(event["input"], event["body"]), event["at"])
