"""Schedules in the running system: in force before the first door opens, and renewed as soon as somebody changes them.

A copy of the schedules, of QA groups and of who has which phone lies in the data folder, so that a core starts and
decides while the database is away. The one rule: without database and copy everything is recorded, and the log says so.
"""

import asyncio
import os
import secrets
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import orjson
import structlog
from starlette.routing import Route

from earshot.api.permissions import SCHEDULING
from earshot.api.schedules import ScheduleDesk
from earshot.core.scheduling import People, Scheduling, Surroundings
from earshot.engine.schedule_documents import document_of, schedule_of
from earshot.engine.schedule_values import Schedule
from earshot.errors import BadInput, StoreUnavailable
from earshot.journal.segment_file import sync_dir
from earshot.ports.access import AccessStore
from earshot.ports.schedules import Schedules
from earshot.services import House
from earshot.services.boards import boards_of
from earshot.store.sql.schedules import SqlSchedules
from earshot.tasks import Spawner
from earshot.web.permitted import page
from earshot.web.schedules import SchedulePages

log = structlog.get_logger(__name__)

COPY = "schedules.json"
"""The file in the data folder."""
LOOK_S = 1.0
"""How often it is looked whether another process changed a schedule; also the pace of the limits of recordings."""
PEOPLE_S = 15.0
"""How often QA groups and phones are read anew."""


async def start(house: House, undo: AsyncExitStack) -> None:
    """Hang it in: decides from here on by the copy, and by the database once that has opened."""
    context, settings = house.context, house.settings
    around = Surroundings(
        wall=house.clock.now,
        zone=house.zone,
        draw=lambda: (secrets.randbelow(10_000) + 1) / 100,
        directory=lambda: context.directory,
        preempt=settings.preempt_by_priority,
    )
    if settings.boards:
        house.recorder.lay_out(boards_of(settings.boards))
    scheduling = Scheduling(house.recorder, around)
    store = SqlSchedules(house.database, house.clock)
    copy = Copy(house.folders.root / COPY)
    copy.into(scheduling)
    scheduling.start()
    house.scheduling = scheduling
    follower = Follower(house, store, context.access, scheduling, copy)
    own = Spawner()
    undo.push_async_callback(own.close)
    own.spawn("recording limits", follower.limits())
    house.on_open.append(follower.opened(own))
    desk = context.schedules = ScheduleDesk(store, lambda: context.audit, follower.look)
    pages = SchedulePages(desk, context, house.zone)
    house.routes += [
        Route("/schedules", page(pages.listed, SCHEDULING), methods=["GET"]),
        Route("/schedules/{number:int}/{switch:str}", page(pages.switch, SCHEDULING), methods=["POST"]),
    ]


class Copy:
    """The file that a core starts from."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written = b""

    def into(self, scheduling: Scheduling) -> None:
        """Have the core decide by what is in the file; as it is, where there is none or it cannot be read."""
        try:
            told = orjson.loads(self._path.read_bytes())
            schedules = [schedule_of(one) for one in told["schedules"]]
            groups = {phone: tuple(names) for phone, names in told["groups"].items()}
            agents = {phone: (str(name), str(user)) for phone, (name, user) in told["agents"].items()}
            revision = int(told["revision"])
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, LookupError, AttributeError, BadInput) as wrong:
            what = "everything is recorded until the database is there"
            log.error("schedules_copy_unreadable", file=str(self._path), why=repr(wrong), what=what)
            return
        scheduling.people = People(groups=groups, agents=agents)
        scheduling.use(schedules, revision)

    async def keep(self, scheduling: Scheduling) -> None:
        """Write down durably what the core decides by, if that has changed."""
        document = {
            "revision": scheduling.revision,
            "schedules": [document_of(one) for one in scheduling.schedules],
            "groups": scheduling.people.groups,
            "agents": scheduling.people.agents,
        }
        text = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
        if text == self._written:
            return
        try:
            await asyncio.to_thread(self._write, text)
        except OSError as failure:
            log.error("schedules_copy_not_written", why=str(failure))
        else:
            self._written = text

    def _write(self, text: bytes) -> None:
        """All of it or nothing, whenever the power fails."""
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        sync_dir(self._path.parent)


class Follower:
    """Keeps a core's schedules those of the database."""

    def __init__(self, house: House, store: Schedules, access: AccessStore, scheduling: Scheduling, copy: Copy) -> None:
        self._house = house
        self._store = store
        self._access = access
        self._scheduling = scheduling
        self._copy = copy
        self._people_at = float("-inf")
        self._looking = asyncio.Lock()

    def opened(self, spawner: Spawner) -> Callable[[], Awaitable[None]]:
        """What is awaited when the store has opened."""

        async def work() -> None:
            await self.look()
            spawner.spawn("schedules", self._look_for_ever())

        return work

    async def look(self) -> None:
        """Read what has changed, and decide by it from now on. Raises StoreUnavailable."""
        async with self._looking:
            revision = await self._store.revision()
            if revision != self._scheduling.revision:
                schedules: list[Schedule] = [kept.schedule for kept in await self._store.schedules()]
                self._scheduling.use(schedules, revision)
                log.info("schedules_in_force", revision=revision, active=sum(one.active for one in schedules))
            now = self._house.clock.monotonic()
            if now - self._people_at >= PEOPLE_S:
                self._people_at = now
                await self._read_people()
            await self._copy.keep(self._scheduling)

    async def _read_people(self) -> None:
        groups: dict[str, list[str]] = defaultdict(list)
        for group in await self._access.groups():
            for phone in group.phones if group.active else ():
                groups[phone].append(group.name)
        directory = self._house.context.directory
        agents = {phone: (agent.username, str(agent.user_id)) for phone, agent in directory.by_phone.items()}
        self._scheduling.people = People(
            groups={phone: tuple(sorted(names)) for phone, names in groups.items()}, agents=agents
        )

    async def _look_for_ever(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except StoreUnavailable:
                continue  # the store tells its own story; what is in force stays
            except Exception:
                log.exception("schedules_not_read")

    async def limits(self) -> None:
        """End recordings that are over their limits, second by second."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                self._scheduling.round()
            except Exception:
                log.exception("limits_not_looked_at")
