"""The composition root: the one place that knows everybody. It builds a server from settings, and ends it in order.

Start: journal first, then the calls that run, then the doors. Every step says at once how it is undone; stopping is
that list read backwards, so that nothing that was accepted is lost.
"""

import asyncio
import contextlib
import re
import secrets
from collections import Counter
from collections.abc import Callable
from functools import partial

import structlog
from prometheus_client import CollectorRegistry

from earshot.api.context import AnswerSettings, Context
from earshot.api.cores import Cores
from earshot.api.events import Hub
from earshot.api.happenings import announced_fields, published_fields
from earshot.api.metrics import Figures
from earshot.clock import Clock, SystemClock
from earshot.config import Settings
from earshot.core.naming import RecordingNames
from earshot.core.recorder import Recorder
from earshot.core.recovery import restore
from earshot.core.sealing import Sealers, Sealing
from earshot.core.sealing_pool import SealingPool
from earshot.core.signalling import Signalling
from earshot.core.watch import MB, Watch, WatchSettings
from earshot.doors import Doors, rtp_settings
from earshot.engine.effects import Announce
from earshot.engine.inputs import RecorderResumed
from earshot.errors import StoreUnavailable
from earshot.figures import counts, gauges
from earshot.journal.format import ChainPointer
from earshot.journal.recovery import recover
from earshot.journal.timeline import JournalTime
from earshot.journal.upkeep import Upkeep
from earshot.journal.writer import JournalSettings, JournalTrouble, JournalWriter
from earshot.listeners.rtp import RtpListener
from earshot.listeners.sip import serve_sip
from earshot.listeners.sound import LegSound
from earshot.media.render import Limits
from earshot.ports import Storage, Store
from earshot.premises import (
    Folders,
    begin_encryption,
    clear_work,
    data_dir_lock,
    database_of,
    insist,
    kept_up,
    keyring_of,
    local_zone,
    numeric,
    object_keys,
    recordings_in,
)
from earshot.protocol.dialect import Dialect
from earshot.services import House
from earshot.services.all import SERVICES
from earshot.store.sql import SqlStore
from earshot.tasks import Spawner
from earshot.telephony.sip.uas import UserAgentServer
from earshot.web.passwords import hash_password

log = structlog.get_logger(__name__)

WATCH_S = 1.0
STORE_START_S = 3.0
STORE_CLOSE_S = 1.0


class Server:
    """The whole system in one process. `start`, then `stop`; `addresses` says where it listens, `opened` ends when
    the database is open and has been read.

    `reached` is told each step of sealing. `on_failure` is told the name of a task without which nothing is recorded,
    when it failed: stop then, and start anew. `pool` is who seals, where it is not to have processes of its own.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock | None = None,
        reached: Callable[[str], None] = lambda _: None,
        on_failure: Callable[[str], None] = lambda _: None,
        pool: SealingPool | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.folders = Folders(settings.data_dir)
        self.zone = local_zone(settings.time_zone)
        self.spawner = Spawner()
        self._core_tasks = Spawner()
        self._journal_tasks = Spawner(on_failure)
        self.database = database_of(settings)
        self.store: Store = SqlStore(self.database, self.clock)
        self.keyring = keyring_of(settings)
        self.objects = object_keys(self.folders)
        self.storage: Storage = recordings_in(self.folders, self.keyring, self.objects)
        self.addresses: dict[str, str] = {}
        self._reached = reached
        self._pool = pool or SealingPool(settings.sealing_processes)
        self._undo = contextlib.AsyncExitStack()
        self._requests: Counter[str] = Counter()

    async def start(self) -> None:
        """Bring everything up. Raises EarshotError, OSError; what was begun is ended then."""
        async with self._undo as undo:
            await self._start(undo)
            self._undo = undo.pop_all()

    async def stop(self) -> None:
        """End in order: no new calls, doors closed, all that was heard journalled. Calls go on at the next start."""
        await self._undo.aclose()

    def warm_up(self) -> None:
        """Begin a sealing process now, so that the first call that ends need not wait for it."""
        self._pool.warm_up()

    async def _start(self, undo: contextlib.AsyncExitStack) -> None:
        undo.enter_context(data_dir_lock(self.folders.root))
        begin_encryption(self.folders, self.keyring)
        clear_work(self.folders.work)
        self._build_core()
        self._build_api()
        self._build_signalling()
        self.house = self._build_house()
        undo.callback(self.objects.close)
        undo.push_async_callback(self._close_store)
        undo.callback(self._pool.close)
        undo.push_async_callback(self._journal_tasks.close)
        undo.callback(self.upkeep.close)
        undo.push_async_callback(self._close_journal)
        await self.writer.start(self._journal_tasks)
        undo.push_async_callback(self._core_tasks.close)
        undo.callback(self.rtp.stop)
        self.rtp.start()
        self._resume()
        undo.push_async_callback(self.spawner.close)
        for service in SERVICES:
            await service(self.house, undo)
        await self._open_doors(undo)
        self.opened = self._core_tasks.spawn("store", self._open_store())
        await asyncio.wait({self.opened}, timeout=STORE_START_S)
        if self.opened.done():
            self.opened.result()
        self.sealing.start()
        self._core_tasks.spawn("upkeep", kept_up("upkeep", self.upkeep.run))
        self._core_tasks.spawn("watch", kept_up("watch", self._watch))

    # --- building ---------------------------------------------------------------------------------------------------

    def _build_core(self) -> None:
        settings = self.settings
        self.recovered = recover(self.folders.journal, wrap=self.keyring)
        for problem in self.recovered.problems:
            log.error("journal_problem", what=problem)
        restored = restore(self.recovered.events, settings.core)
        self.restored_notes = restored.notes
        self.time = JournalTime(self.clock, self.recovered.last_time_us)
        self.writer = JournalWriter(
            self.folders.journal,
            time=self.time,
            random_u32=lambda: secrets.randbits(32),
            recovered=self.recovered,
            settings=JournalSettings(flush_interval_s=settings.flush_ms / 1000),
            checkpoint=lambda: self.recorder.checkpoint(),
            on_trouble=self._journal_trouble,
            wrap=self.keyring,
        )
        self.upkeep = Upkeep(self.writer)
        self.rtp = RtpListener(rtp_settings(settings), self.writer, self.clock, self.time)
        given = {one.object_name for call in restored.state.calls.values() for one in call.recordings}
        self.names = RecordingNames(self.zone, settings.recording_path, self._is_stored, given)
        self.recorder = Recorder(
            restored.state,
            self.writer,
            LegSound(self.rtp),
            now_us=self.time.now_us,
            channels=settings.channels,
            name_recording=self.names.name,
        )
        self.recorder.release_leg = self._release_leg
        self.recorder.notes = dict(restored.notes)
        self.watch = Watch(
            self.recorder,
            WatchSettings(
                media_timeout_s=settings.media_timeout_s,
                hold_timeout_s=settings.hold_timeout_s,
                resume_timeout_s=settings.resume_timeout_s,
                longest_call_s=settings.longest_call_s,
                disk_reserve_bytes=settings.disk_reserve_mb * MB,
            ),
            self.folders.root,
            lambda key, why: self.signalling.end_session(key, why),
        )

    def _is_stored(self, name: str) -> bool:
        path = self.storage.local_path(name)
        return path is not None and path.exists()

    def _release_leg(self, leg: int) -> None:
        if leg in self.writer.tails:
            self.upkeep.release_leg(leg)

    def _build_api(self) -> None:
        settings = self.settings
        style, word = settings.channel_state_style, settings.error_resulttype
        dialect = Dialect(strict_legacy=settings.strict_legacy, error_resulttype=word, channel_state_style=style)
        self.context = Context(
            cores=Cores([self.recorder]),
            store=self.store,
            storage=self.storage,
            clock=self.clock,
            data_dir=self.folders.root,
            dialect=dialect,
            settings=AnswerSettings(
                zone=self.zone,
                recording_path=settings.recording_path,
                calllist_limit=settings.calllist_limit,
                playback_links=settings.playback_links,
                longest_blackout_us=int(settings.longest_blackout_s * 1_000_000),
                hide_blackouts=settings.blackout_mode == "hide",
                strict_locations=settings.strict_locations,
                import_password_required=settings.import_password_required,
            ),
            hash_password=hash_password,
        )
        self.hub = Hub(
            self.time.now_us,
            asyncio.get_running_loop().call_later,
            zone=self.zone,
            not_before_us=self.recovered.last_time_us,
        )
        self.context.publish = lambda kind, fields: self.hub.tell(kind, lambda: published_fields(self.context, fields))
        self.sealing = Sealing(
            self.recorder,
            Sealers(
                store=self.store,
                storage=self.storage,
                journal=self.folders.journal,
                work=self.folders.work,
                render=self._pool.render,
                synced=self.writer.sync,
                settled=self.writer.settled,
                tail=self._tail,
                agent_on=lambda device, alias: self.context.directory.agent_on(device, alias),
                limits=Limits(
                    silent_dbfs=settings.silent_dbfs, lossy_percent=settings.lossy_percent, short_s=settings.short_s
                ),
                workers=settings.sealing_processes,
                keyring=self.keyring,
                reached=self._reached,
            ),
            self._core_tasks,
        )
        self.recorder.seal = self.sealing.enqueue
        self.sealing.on_stored.append(self.names.stored)

    def _tail(self, leg: int) -> ChainPointer:
        return self.writer.leg_tail(leg) if leg in self.writer.tails else ChainPointer()

    def _build_signalling(self) -> None:
        settings = self.settings
        self.uas = UserAgentServer(lambda: secrets.token_hex(8))
        self.signalling = Signalling(
            self.recorder,
            self.uas,
            now=self.clock.monotonic,
            directory=lambda: self.context.directory,
            advertise=lambda peer: settings.advertise_host or numeric(self.uas.own_address(peer)[0]),
            pattern=re.compile(settings.extension_pattern),
        )

    def _build_house(self) -> House:
        return House(
            settings=self.settings,
            clock=self.clock,
            folders=self.folders,
            zone=self.zone,
            database=self.database,
            store=self.store,
            storage=self.storage,
            recorder=self.recorder,
            sealing=self.sealing,
            journal=self.writer,
            upkeep=self.upkeep,
            context=self.context,
            events=self.hub,
            spawner=self.spawner,
            settled=self.writer.settled,
            keyring=self.keyring,
            objects=self.objects,
        )

    # --- the store and the journal ----------------------------------------------------------------------------------

    async def _open_store(self) -> None:
        """Open it and read who the agents are, for as long as it takes: recording does not wait for it."""
        for work in (self.store.open, self.context.refresh_directory, *self.house.on_open):
            await insist(work)

    async def _close_store(self) -> None:
        try:
            async with asyncio.timeout(STORE_CLOSE_S):
                await self.store.close()
        except (StoreUnavailable, TimeoutError) as away:
            log.warning("store_not_closed", why=repr(away))

    async def _close_journal(self) -> None:
        try:
            await self.writer.close()
        except OSError as trouble:
            log.error("journal_not_finished", why=str(trouble), dropped_packets=self.writer.dropped_packets)

    # --- doors ------------------------------------------------------------------------------------------------------

    async def _open_doors(self, undo: contextlib.AsyncExitStack) -> None:
        """SIP first, because it closes last: calls end properly for as long as anything is answered at all."""
        settings = self.settings
        sip = await serve_sip(
            settings.host,
            settings.sip_port,
            self.uas,
            self.signalling.on_event,
            self.clock,
            self.spawner,
            settings.allowed_at("sip"),
        )
        undo.push_async_callback(sip.close)
        if settings.advertise_host:
            self.uas.own_address = lambda _: (settings.advertise_host, sip.port)
        self.signalling.deliver = sip.deliver
        sip.deliver(())
        self.recorder.listeners.append(self._publish)
        self.doors = Doors(self.house, self._registry(), self._requests, self._notices)
        undo.push_async_callback(self.doors.close)
        undo.callback(self._drain)
        await self.doors.open()
        self.addresses = self.doors.addresses | {
            "sip": f"sip:{settings.host}:{sip.port}",
            "rtp": f"udp://{settings.host}:{settings.rtp_ports}",
        }

    def _drain(self) -> None:
        """No new calls from now on: the API is told so, and INVITEs are refused."""
        self.recorder.draining = True

    def _registry(self) -> CollectorRegistry:
        registry = CollectorRegistry()
        shown = gauges(self.recorder, self.sealing, self.rtp, self.writer)
        figures = Figures(self.recorder, shown, counts(self.uas, self._requests))
        registry.register(figures)
        self.sealing.on_stored.append(figures.call_stored)
        return registry

    # --- running ----------------------------------------------------------------------------------------------------

    def _resume(self) -> None:
        """Go on where the last process stopped: sessions, gaps, calls that wait to be sealed."""
        now_us = self.time.now_us()
        if any(call.phase == "open" for call in self.recorder.state.calls.values()):
            self.recorder.apply(RecorderResumed(down_since_us=self.recovered.last_time_us))
        running = self.signalling.take_up(self.restored_notes)
        for call in list(self.recorder.state.calls.values()):
            if call.phase == "ended":
                self.sealing.enqueue(call.key)
        self.recorder.release_unneeded(self.recovered.legs.keys())
        self.watch.resumed(running, now_us)
        self.watch.round()
        if running:
            log.info("calls_resumed", sessions=len(running))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            self.watch.round()

    def _journal_trouble(self, trouble: JournalTrouble) -> None:
        self.watch.journal_stuck(trouble.error is not None)

    def _publish(self, told: Announce, now_us: int) -> None:
        self.hub.tell(told.event, partial(announced_fields, self.context, told, self.recorder.ident), now_us)

    def _notices(self) -> tuple[str, ...]:
        notices = []
        if self.recorder.refusal:
            notices.append("The disk reserve is reached: new calls are refused until space is freed.")
        if self.recorder.blackouts_failing:
            count = len(self.recorder.blackouts_failing)
            notices.append(f"{count} blackouts are not in force yet: sound that must go is still there. See the log.")
        if self.sealing.failing:
            notices.append(f"{len(self.sealing.failing)} calls could not be sealed yet; the log says why.")
        if lost := self.rtp.lost_total():
            notices.append(f"{lost} packets of sound were lost to a full packet ring: raise rtp_ring_mb.")
        return tuple(notices)
