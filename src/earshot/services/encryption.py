"""Encryption at rest, watched in the running system: its figures, its notices, the first look through the objects.

What encrypts is in the storage, the journal and the exporter. The one rule: this shows fingerprints and counts; nothing
here stops recording, and no figure is worth a walk through the storage.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace

import structlog

from earshot.api.metrics import Gauge
from earshot.core.rewrapping import MasterKeys
from earshot.errors import ConfigurationError, EarshotError, StoreUnavailable
from earshot.ports.encryption import EncryptionView
from earshot.premises import keyring_of, object_access
from earshot.services import House
from earshot.storage.places import Place, Places
from earshot.store.sql.retention import SqlRetention
from earshot.vault import VaultError
from earshot.vault.keyring import Keyring
from earshot.web.system import SystemPage

log = structlog.get_logger(__name__)

COUNT_S = 5.0
AGAIN_S = 30.0
"""How often it is seen whether an archive is back, or new, that was not looked through yet."""
KEY_S = 60.0
COMMAND_S = 3600.0
"""How often it is tried whether the master key can still be had: from a file, and from a command, which may ask
somebody else."""
REST = 1.0
"""The part of the time that the first look through the objects leaves to others, for each that it takes."""


class EncryptionWatch:
    """The port `earshot.ports.encryption.Encryption` over the register of objects."""

    def __init__(self, house: House, keyring: Keyring) -> None:
        self._house = house
        self._keyring = keyring
        self._key_trouble = ""
        self._count_trouble = ""
        self.is_looking_through = True
        self.not_looked_at: tuple[str, ...] = ()
        """What could not be looked at last time, one sentence each."""
        self.view = EncryptionView(is_on=True, master_key=keyring.current, older=tuple(keyring.fingerprints[1:]))

    async def look(self) -> EncryptionView:
        """See `Encryption.look`. What cannot be counted stays as it was."""
        register = self._house.objects
        try:
            counts = await asyncio.to_thread(register.counts)
            self.view = replace(self.view, objects=counts)
            self._count_trouble = register.trouble
        except VaultError as why:
            self._count_trouble = str(why)
        self.view = replace(
            self.view,
            is_counted=not self.is_looking_through,
            refused=register.refused,
            last_refused=register.last_refused,
            troubles=tuple(self.said()),
        )
        return self.view

    async def try_key(self) -> None:
        """Have the master keys once more, as the next start would."""
        trouble = ""
        try:
            found = await asyncio.to_thread(keyring_of, self._house.settings)
            if found is None or found.current != self._keyring.current:
                other = found.current if found is not None else "none"
                trouble = f"the settings lead to another one now ({other})"
        except (ConfigurationError, OSError) as why:
            trouble = str(why)
        if trouble and trouble != self._key_trouble:
            log.error("master_key_cannot_be_had", master_key=self._keyring.current, why=trouble)
        self._key_trouble = trouble

    @property
    def is_key_missing(self) -> bool:
        """Whether the next start would not find the master key."""
        return bool(self._key_trouble)

    def said(self) -> list[str]:
        """What operators must know, one sentence each."""
        register, sentences = self._house.objects, []
        if self._key_trouble:
            sentences.append(
                f"The master key {self._keyring.current} cannot be had: {self._key_trouble}. What is recorded is still "
                f"encrypted by it, and a restart would fail."
            )
        if register.refused:
            sentences.append(
                f"A plain file lies where {register.last_refused} was encrypted: it was replaced, and is not read. "
                f"Run earshot check."
            )
        return sentences + [f"{one[0].upper()}{one[1:]}." for one in (self._count_trouble,) if one]

    async def run(self) -> None:
        """Count and try for ever."""
        every_s = COMMAND_S if self._house.settings.master_key_command else KEY_S
        tried_at = self._house.clock.monotonic()
        while True:
            await self.look()
            await asyncio.sleep(COUNT_S)
            if self._house.clock.monotonic() - tried_at >= every_s:
                await self.try_key()
                tried_at = self._house.clock.monotonic()

    async def look_through(self, places: Mapping[str, Place]) -> None:
        """Enter what was there before there was a register, place by place, each once for ever. A place that is away is
        left for another time."""
        house, register = self._house, self._house.objects
        try:
            left = await self._left(places)
            keys = MasterKeys(
                self._keyring,
                house.folders.journal,
                left,
                house.folders.work,
                register,
                rest=REST,
                now=house.clock.monotonic,
            )
            found = await keys.look_at_objects()
            still = await self._left(left)
            done = [called or "recordings" for called in left if called not in still]
            if done:
                log.info("objects_looked_through", of=done, plain=found.plain, encrypted=found.objects.total())
            for problem in found.problems:
                if problem not in self.not_looked_at:
                    log.warning("object_not_looked_at", what=problem)
            self.not_looked_at = tuple(found.problems)
            self.is_looking_through = bool(still)
        except (OSError, EarshotError) as why:
            log.error("objects_not_looked_through", why=str(why))
        await self.look()

    async def _left(self, places: Mapping[str, Place]) -> Mapping[str, Place]:
        """Those of the places that were never looked through. Raises VaultError."""
        known = self._house.objects.is_looked_through
        return {
            called: place
            for called, place in places.items()
            if not await asyncio.to_thread(known, place.destination if called else "")
        }

    async def keep_looking_through(self) -> None:
        """Look through the recordings and every archive, those that were away when they are back, for ever."""
        house = self._house
        places = Places(self._keyring, house.objects, object_access(house.settings), house.clock)
        while True:
            try:
                actions = await SqlRetention(house.database).actions()
            except StoreUnavailable:
                await asyncio.sleep(AGAIN_S)  # that is said by others
                continue
            archives = {f"archive {one.number}": places.at(one.destination) for one in actions if one.destination}
            await self.look_through({**archives, "": places.at(str(house.folders.recordings.absolute()))})
            await asyncio.sleep(AGAIN_S)


async def start(house: House, undo: AsyncExitStack) -> None:
    """Hang it in."""
    keyring = house.keyring
    house.routes += SystemPage(house.context).routes()
    meaning = "1: what is kept is encrypted, by this master key"
    if keyring is None:
        house.gauges.append(Gauge(name="encryption", meaning=meaning, read=lambda: 0, labels={"master_key": ""}))
        return
    watch = EncryptionWatch(house, keyring)
    house.context.encryption = watch
    house.notices.append(watch.said)
    house.gauges += [
        Gauge(name="encryption", meaning=meaning, read=lambda: 1, labels={"master_key": keyring.current}),
        Gauge(name="master_key_missing", meaning="1: a restart would fail", read=lambda: watch.is_key_missing),
        Gauge(
            name="objects_current_key",
            meaning="Objects under the current master key",
            read=lambda: watch.view.under_current_key,
        ),
        Gauge(
            name="objects_older_keys",
            meaning="Objects under older master keys",
            read=lambda: watch.view.under_older_keys,
        ),
        Gauge(name="objects_plain", meaning="Objects that are not encrypted", read=lambda: watch.view.plain),
        Gauge(
            name="objects_refused",
            meaning="Reads of a plain file where an encrypted one was put",
            read=lambda: house.objects.refused,
        ),
    ]

    async def begin() -> None:
        house.spawner.spawn("encryption-register", watch.keep_looking_through())

    house.on_open.append(begin)
    house.spawner.spawn("encryption-watch", watch.run())
