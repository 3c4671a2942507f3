"""The services of the system: what runs beside the recorder and the doors, each in a module with one `start`.

A service gets the `House`, makes its parts, hangs them where they are used (the context of the handlers, the routes of
the HTTP port, what is done when the store opens), and says on the exit stack how all of it is undone. The one rule: a
service starts without the database, because recording does.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import tzinfo

from starlette.routing import BaseRoute

from earshot.api.context import Context
from earshot.api.events import Hub
from earshot.api.metrics import Gauge
from earshot.clock import Clock
from earshot.config import Settings
from earshot.core.recorder import Recorder
from earshot.core.scheduling import Scheduling
from earshot.core.screen_blackouts import ScreenBlackouts
from earshot.core.sealing import Sealing
from earshot.core.turns import Turns
from earshot.journal.upkeep import Upkeep
from earshot.journal.writer import JournalWriter
from earshot.ports import Storage, Store
from earshot.premises import Folders
from earshot.storage.object_keys import ObjectKeys
from earshot.store.database import Database
from earshot.tasks import Spawner
from earshot.vault.keyring import Keyring


@dataclass(slots=True, kw_only=True)
class House:
    """What a service may use.

    `spawner` runs background tasks and ends them at stop; `settled` waits until what was journalled is durable;
    `routes` are added to those of the HTTP port, behind the gate; `on_open` is awaited, in order, when the store has
    opened, until each succeeds. `keyring` encrypts what is kept, None where nothing is encrypted; `objects` knows which
    of it is. `scheduling` has the schedules, once they are in force; `pictures` takes screens out of sight; `turns`
    keeps apart who changes where a recording lies. `gauges` are shown by /metrics, and `notices` give sentences for
    operators.
    """

    settings: Settings
    clock: Clock
    folders: Folders
    zone: tzinfo
    database: Database
    store: Store
    storage: Storage
    recorder: Recorder
    sealing: Sealing
    journal: JournalWriter
    upkeep: Upkeep
    context: Context
    events: Hub
    spawner: Spawner
    settled: Callable[[], Awaitable[None]]
    objects: ObjectKeys
    keyring: Keyring | None = None
    scheduling: Scheduling | None = None
    pictures: ScreenBlackouts | None = None
    turns: Turns = field(default_factory=Turns)
    routes: list[BaseRoute] = field(default_factory=list)
    on_open: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    gauges: list[Gauge] = field(default_factory=list)
    notices: list[Callable[[], Sequence[str]]] = field(default_factory=list)

    def said(self) -> tuple[str, ...]:
        """What services have to say to operators now, one sentence each."""
        return tuple(sentence for one in self.notices for sentence in one())


Service = Callable[[House, AsyncExitStack], Awaitable[None]]
