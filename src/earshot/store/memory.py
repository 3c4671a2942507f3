"""The store in memory: for tests, and for a server that need not remember.

Same contract as `sql.SqlStore` (tests/contracts), no persistence. The one rule: nothing is awaited between looking and
changing, so that every change is one transaction here too.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from earshot.actor import Visibility
from earshot.clock import Clock
from earshot.engine.variables import USER_INDEX
from earshot.errors import StoreUnavailable
from earshot.ports import (
    FinishedCall,
    NotFound,
    NotUnique,
    RecordingFilter,
    RecordingRow,
    SealedRecording,
    Station,
    User,
)
from earshot.ports.access import shown
from earshot.store import people
from earshot.store.fields import (
    PEOPLE_LOOKUPS,
    TEXT_LOOKUPS,
    as_stored,
    changed_columns,
    checked_equals,
    checked_lookup,
)


def _value(sealed: SealedRecording, name: str) -> Any:
    if name in USER_INDEX:
        return sealed.variables.users[USER_INDEX[name]]
    return getattr(sealed if name in TEXT_LOOKUPS or name == "agent_id" else sealed.variables, name)


class MemoryStore:
    """The port `earshot.ports.Store` without a database. `unavailable` makes every method fail, as a lost database.

    `group_phones` and `user_roles` are what `MemoryAccess` keeps of phones (by GROUPID) and users (by USERID).
    `updated` is told the columns that change of a recording (`MemoryRetention`).
    """

    def __init__(self, clock: Clock) -> None:
        self.unavailable = False
        self.group_phones: dict[int, set[str]] = {}
        self.user_roles: dict[int, set[int]] = {}
        self.updated: Callable[[int, dict[str, Any]], None] = lambda record_id, columns: None
        self._clock = clock
        self._recordings: dict[int, tuple[SealedRecording, tuple[str, ...]]] = {}
        self._recording_keys: dict[str, int] = {}
        self._calls: dict[int, FinishedCall] = {}
        self._call_keys: dict[str, int] = {}
        self._users: dict[int, User] = {}
        self._passwords: dict[int, str] = {}
        self._stations: list[Station] = []
        self._logins: dict[str, tuple[int, float]] = {}

    def _answer(self) -> None:
        if self.unavailable:
            raise StoreUnavailable("the store in memory was told to be away")

    async def open(self) -> None:
        """Nothing to open."""
        self._answer()

    async def close(self) -> None:
        """Nothing to close; what is kept stays."""

    # --- recordings -----------------------------------------------------------------------------------------------

    def _newest_first(self) -> Iterator[tuple[int, SealedRecording]]:
        order = sorted(self._recordings, key=lambda ident: (self._recordings[ident][0].recording_time, ident))
        return ((ident, self._recordings[ident][0]) for ident in reversed(order))

    def _row(self, ident: int, *, whole: bool) -> RecordingRow:
        sealed, warnings = self._recordings[ident]
        agent = self._users.get(sealed.agent_id or 0, User())
        return RecordingRow(
            record_id=ident,
            sealed=sealed if whole else replace(sealed, peaks=b"", legs=(), gaps=()),
            agent_first_name=agent.first_name,
            agent_last_name=agent.last_name,
            sys_user=agent.sys_user,
            crm_user=agent.crm_user,
            warnings=warnings,
        )

    def _matching(self, wanted: RecordingFilter) -> Iterator[int]:
        equals = {name: as_stored(name, value) for name, value in wanted.equals.items()}
        for ident, sealed in self._newest_first():
            agent = self._users.get(sealed.agent_id or 0, User())
            if (
                all(_value(sealed, name) == value for name, value in equals.items())
                and wanted.sys_user in ("", agent.sys_user)
                and wanted.crm_user in ("", agent.crm_user)
                and (wanted.since is None or sealed.recording_time >= wanted.since)
                and (wanted.until is None or sealed.recording_time <= wanted.until)
                and (wanted.before is None or (sealed.recording_time, ident) < wanted.before)
                and shown(sealed, wanted.seen_by)
            ):
                yield ident

    async def recordings(self, wanted: RecordingFilter, limit: int) -> list[RecordingRow]:
        """See `earshot.ports.Store.recordings`."""
        self._answer()
        checked_equals(wanted.equals)
        return [self._row(ident, whole=False) for _, ident in zip(range(limit), self._matching(wanted), strict=False)]

    async def recording(self, record_id: int) -> RecordingRow | None:
        """See `earshot.ports.Store.recording`."""
        self._answer()
        return self._row(record_id, whole=True) if record_id in self._recordings else None

    async def newest_recording(self, field: str, value: str, seen_by: Visibility | None = None) -> RecordingRow | None:
        """See `earshot.ports.Store.newest_recording`."""
        self._answer()
        checked_lookup(field)
        if field in PEOPLE_LOOKUPS:
            by_person = RecordingFilter(**{field: value}, seen_by=seen_by)  # type: ignore[arg-type]
            matching = self._matching(by_person) if value else iter(())
            return next((self._row(ident, whole=True) for ident in matching), None)
        stored = as_stored(field, value)
        for ident, sealed in self._newest_first():
            same = (ident if field == "record_id" else _value(sealed, field)) == stored and stored is not None
            if same and shown(sealed, seen_by):
                return self._row(ident, whole=True)
        return None

    async def last_recording_of_device(self, device_id: str, call_instance: str | None) -> int | None:
        """See `earshot.ports.Store.last_recording_of_device`."""
        self._answer()
        for ident, sealed in self._newest_first():
            known = sealed.variables
            if known.device_id == device_id and call_instance in (None, known.call_instance):
                return ident
        return None

    async def update_recording(self, record_id: int, changes: dict[str, Any]) -> bool:
        """See `earshot.ports.Store.update_recording`."""
        self._answer()
        columns = changed_columns(changes)
        if record_id not in self._recordings:
            return False
        sealed, warnings = self._recordings[record_id]
        self._recordings[record_id] = (replace(sealed, variables=sealed.variables.changed(changes)), warnings)
        self.updated(record_id, columns)
        return True

    async def all_objects(self) -> AsyncIterator[tuple[str, str, int]]:
        """See `earshot.ports.Store.all_objects`."""
        self._answer()
        for sealed, _ in list(self._recordings.values()):
            yield sealed.object_name, sealed.audio_sha256, sealed.audio_size

    # --- calls ----------------------------------------------------------------------------------------------------

    async def save_calls(self, calls: Sequence[FinishedCall]) -> list[tuple[int, ...]]:
        """See `earshot.ports.Store.save_calls`."""
        self._answer()
        for call in calls:
            if call.key not in self._call_keys:
                self._call_keys[call.key] = len(self._calls) + 1
                self._calls[len(self._calls) + 1] = call
            for sealed in call.recordings:
                if sealed.key not in self._recording_keys:
                    ident = len(self._recording_keys) + 1
                    self._recording_keys[sealed.key] = ident
                    self._recordings[ident] = (sealed, call.warnings)
        return [tuple(self._recording_keys[sealed.key] for sealed in call.recordings) for call in calls]

    async def calls(
        self,
        verdict: str | None,
        limit: int,
        before: tuple[float, int] | None = None,
        seen_by: Visibility | None = None,
    ) -> list[tuple[int, FinishedCall]]:
        """See `earshot.ports.Store.calls`."""
        self._answer()
        order = sorted(((call.started_at, ident) for ident, call in self._calls.items()), reverse=True)
        found = [
            (ident, replace(self._calls[ident], recordings=(), metadata=(), decision={}))
            for started_at, ident in order
            if verdict in (None, self._calls[ident].verdict)
            and (before is None or (started_at, ident) < before)
            and shown(self._calls[ident], seen_by)
        ]
        return found[: max(limit, 0)]

    async def call(self, number: int) -> FinishedCall | None:
        """See `earshot.ports.Store.call`."""
        self._answer()
        call = self._calls.get(number)
        if call is None:
            return None
        mine = [
            (sealed.part, ident, sealed)
            for ident, (sealed, _) in self._recordings.items()
            if sealed.call_key == call.key
        ]
        return replace(call, recordings=tuple(sealed for _, _, sealed in sorted(mine, key=lambda row: row[:2])))

    async def call_number(self, key: str) -> int | None:
        """See `earshot.ports.Store.call_number`."""
        self._answer()
        return next((number for number, call in self._calls.items() if call.key == key), None)

    async def verdict_counts(self) -> dict[tuple[str, str], int]:
        """See `earshot.ports.Store.verdict_counts`."""
        self._answer()
        return dict(Counter((call.verdict, call.reason) for call in self._calls.values()))

    # --- users ----------------------------------------------------------------------------------------------------

    def _here(self, user_id: int) -> User:
        user = self._users.get(user_id)
        if user is None or user.deleted:
            raise NotFound(f"there is no user {user_id}")
        return user

    def _must_be_unique(self, user: User) -> None:
        others = [other for other in self._users.values() if other.user_id != user.user_id and not other.deleted]
        key = people.username_key(user.username)
        if key and any(people.username_key(other.username) == key for other in others):
            raise NotUnique("username", user.username)
        name = (user.first_name, user.last_name)
        if all(name) and any((other.first_name, other.last_name) == name for other in others):
            raise NotUnique("name", " ".join(name))
        for other in others:
            for phone in other.phones:
                if phone in user.phones:
                    raise NotUnique("phone", phone)

    def _leave_groups(self, phones: set[str]) -> None:
        for members in self.group_phones.values():
            members -= phones

    def _end_logins(self, user_id: int) -> None:
        self._logins = {token: login for token, login in self._logins.items() if login[0] != user_id}

    async def users(self, include_deleted: bool = False) -> list[User]:
        """See `earshot.ports.Store.users`."""
        self._answer()
        return [user for user in self._users.values() if include_deleted or not user.deleted]

    async def add_user(self, user: User, password_hash: str | None = None) -> int:
        """See `earshot.ports.Store.add_user`."""
        self._answer()
        new = people.added(user, len(self._users) + 1, self._clock.now())
        self._must_be_unique(new)
        self._users[new.user_id] = new
        if password_hash is not None:
            self._passwords[new.user_id] = password_hash
        return new.user_id

    async def modify_user(self, user_id: int, changes: dict[str, Any], password_hash: str | None = None) -> None:
        """See `earshot.ports.Store.modify_user`."""
        self._answer()
        old = self._here(user_id)
        new = people.changed(old, changes, self._clock.now())
        self._must_be_unique(new)
        self._users[user_id] = new
        self._leave_groups(set(old.phones) - set(new.phones))
        if password_hash is not None:
            self._passwords[user_id] = password_hash
            self._end_logins(user_id)

    async def delete_user(self, user_id: int) -> None:
        """See `earshot.ports.Store.delete_user`."""
        self._answer()
        old = self._here(user_id)
        self._users[user_id] = replace(old, deleted=True, phones=(), modified_at=self._clock.now())
        self._leave_groups(set(old.phones))
        self.user_roles.pop(user_id, None)
        self._end_logins(user_id)

    async def assign_phone(self, phone: str, user_id: int) -> None:
        """See `earshot.ports.Store.assign_phone`."""
        user = self._here(user_id)
        if phone.strip() not in user.phones:
            await self.modify_user(user_id, {"phones": (*user.phones, phone)})

    async def free_phone(self, phone: str, user_id: int) -> bool:
        """See `earshot.ports.Store.free_phone`."""
        self._answer()
        user = self._users.get(user_id, User())
        if phone.strip() not in user.phones:
            return False
        await self.modify_user(user_id, {"phones": tuple(one for one in user.phones if one != phone.strip())})
        return True

    # --- stations and logins --------------------------------------------------------------------------------------

    async def stations(self) -> list[Station]:
        """See `earshot.ports.Store.stations`."""
        self._answer()
        return list(self._stations)

    async def map_station(self, station: Station) -> Station:
        """See `earshot.ports.Store.map_station`."""
        self._answer()
        kept = [one for one in self._stations if one.station != station.station and one.device_id != station.device_id]
        self._stations = [*kept, station]
        return station

    async def password_hash(self, username: str) -> tuple[User, str] | None:
        """See `earshot.ports.Store.password_hash`."""
        self._answer()
        key = people.username_key(username)
        for user in self._users.values():
            if key and people.username_key(user.username) == key and people.may_log_in(user):
                known = self._passwords.get(user.user_id)
                return None if known is None else (user, known)
        return None

    async def add_login(self, token_sha256: str, user_id: int, expires_at: float) -> None:
        """See `earshot.ports.Store.add_login`."""
        self._answer()
        self._here(user_id)
        now = self._clock.now()
        self._logins = {token: login for token, login in self._logins.items() if login[1] > now}
        self._logins[token_sha256] = (user_id, expires_at)

    async def login(self, token_sha256: str, now: float) -> User | None:
        """See `earshot.ports.Store.login`."""
        self._answer()
        user_id, expires_at = self._logins.get(token_sha256, (0, 0.0))
        user = self._users.get(user_id)
        return user if user is not None and expires_at > now and people.may_log_in(user) else None

    async def extend_login(self, token_sha256: str, expires_at: float) -> None:
        """See `earshot.ports.Store.extend_login`."""
        self._answer()
        if token_sha256 in self._logins:
            self._logins[token_sha256] = (self._logins[token_sha256][0], expires_at)

    async def end_login(self, token_sha256: str) -> None:
        """See `earshot.ports.Store.end_login`."""
        self._answer()
        self._logins.pop(token_sha256, None)
