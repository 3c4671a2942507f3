"""What every `Store` must do, run against each of them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from earshot.clock import FakeClock
from earshot.engine.variables import USER_FIELDS, CallVariables
from earshot.ports import (
    FinishedCall,
    LegFigures,
    NotFound,
    NotUnique,
    RecordingFilter,
    SealedRecording,
    Station,
    Store,
    User,
)
from earshot.store.memory import MemoryStore
from earshot.store.sql import SqlStore, database_at

NOW = 1_700_000_000.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Store]:
    made: Store
    if request.param == "memory":
        made = MemoryStore(clock)
    else:
        made = SqlStore(database_at(f"sqlite:///{tmp_path / 'earshot.db'}"), clock)
    await made.open()
    yield made
    await made.close()


def users(**numbered: str) -> tuple[str, ...]:
    return tuple(numbered.get(f"user{number}", "") for number in range(1, USER_FIELDS + 1))


KEYS = ((1.0, 1.25), (2.0, 2.25), (4.0, 4.5))
"""When the keys of a recording were down, in seconds."""


def sealed(key: str, at: float = 1000.0, *, agent_id: int | None = None, **variables: Any) -> SealedRecording:
    return SealedRecording(
        key=key,
        call_key=f"call-{key}",
        part=0,
        core=1,
        variables=CallVariables(**{"device_id": "7008"} | variables),
        agent_id=agent_id,
        recording_time=at,
        duration_s=61.5,
        channels=2,
        sample_rate_hz=8000,
        object_name=f"20110131/7008/{key}.wav",
        file_name=f"C:\\Recordings\\20110131\\7008\\{key}.wav",
        media_type="audio/wav",
        audio_sha256=f"hash-of-{key}",
        audio_size=984_044,
        peaks=bytes(range(256)),
        peaks_per_second=10,
        legs=(LegFigures(label="1", side="agent", codec="PCMU", received=3000, lost=3, digits="12#", digits_at=KEYS),),
        gaps=((1.5, 2.25, "loss"), (30.0, 31.0, "hold")),
        ended_by="BYE",
    )


def finished(key: str, at: float = 1000.0, *, verdict: str = "recorded", **more: Any) -> FinishedCall:
    usual: dict[str, Any] = {
        "reason": "no sound came",
        "warnings": ("one-sided", "short"),
        "announced_by": ("api", "siprec"),
        "participants": ({"name": "Zoë", "aor": "sip:7008@pbx.example"},),
        "leniencies": {"bare LF": 3},
        "metadata": ("<recording/>", "<recording partial='yes'/>"),
    }
    return FinishedCall(
        key=f"call-{key}",
        core=1,
        variables=CallVariables(device_id="7008", ani="5551234"),
        agent_id=None,
        started_at=at,
        stopped_at=at + 61.5,
        verdict=verdict,
        **usual | more,
    )


async def save(store: Store, *recordings: SealedRecording) -> list[int]:
    """Save each with a call of its own; returns their RECORDIDs."""
    calls = [finished(one.key, one.recording_time, recordings=(one,)) for one in recordings]
    return [ident for row in await store.save_calls(calls) for ident in row]


async def found(store: Store, limit: int = 50, **wanted: Any) -> list[str]:
    return [row.sealed.key for row in await store.recordings(RecordingFilter(**wanted), limit)]


class TestRecordings:
    async def test_a_recording_comes_back_as_it_was_saved(self, store: Store) -> None:
        everything = CallVariables(
            device_id="1111",
            device_alias="DESK1",
            station="PC-17",
            call_instance="2",
            call_id="ab@10.0.0.1",
            session_id="s-1",
            group="Sales & Marketing",
            gate="Gold Level",
            ani="+49 30",
            dnis="0800",
            direction="I",
            is_trunk="N",
            priority="5",
            users=tuple(f"ü{number}" for number in range(1, 16)),
            keep_days=3650,
            archive_action=4,
            max_record_silence=20,
            max_record_time=7200,
            agent_initiated="Y",
            cti_initiated="N",
        )
        agent = await store.add_user(User(first_name="Sally", last_name="Smith", sys_user="ssmith", crm_user="sally"))
        original = replace(sealed("a", agent_id=agent), variables=everything)
        (ident,) = await save(store, original)
        assert ident == 1
        row = await store.recording(ident)
        assert row is not None
        assert row.sealed == original
        assert (row.record_id, row.warnings) == (1, ("one-sided", "short"))
        assert (row.agent_first_name, row.agent_last_name) == ("Sally", "Smith")
        assert (row.sys_user, row.crm_user) == ("ssmith", "sally")

    async def test_a_list_leaves_out_peaks_legs_and_gaps_and_nothing_else(self, store: Store) -> None:
        original = sealed("a")
        await save(store, original)
        (row,) = await store.recordings(RecordingFilter(), 10)
        assert row.sealed == replace(original, peaks=b"", legs=(), gaps=())
        assert hash(row.sealed.variables) == hash(original.variables)

    async def test_an_unknown_number_is_none(self, store: Store) -> None:
        assert await store.recording(1) is None
        assert not await store.update_recording(1, {"ani": "1"})

    async def test_numbers_are_per_recording_and_in_order(self, store: Store) -> None:
        call = finished("x", recordings=tuple(replace(sealed(key), call_key="call-x") for key in "abc"))
        assert await store.save_calls([finished("none"), call, finished("y", recordings=(sealed("d"),))]) == [
            (),
            (1, 2, 3),
            (4,),
        ]

    async def test_saving_twice_is_saving_once(self, store: Store) -> None:
        call = finished("x", recordings=(sealed("a"), sealed("b")))
        changed = replace(
            call, reason="another", recordings=(replace(sealed("b"), duration_s=1.0), sealed("c"), sealed("a"))
        )
        assert await store.save_calls([call, call]) == [(1, 2), (1, 2)]
        assert await store.save_calls([changed]) == [(2, 3, 1)]
        assert [call.reason for _, call in await store.calls(None, 10)] == ["no sound came"]
        row = await store.recording(2)
        assert row is not None
        assert row.sealed.duration_s == 61.5
        assert await store.save_calls([]) == []

    async def test_newest_first_and_page_by_page(self, store: Store) -> None:
        times = {"a": 10.0, "b": 30.0, "c": 20.0, "d": 30.0, "e": 30.0, "f": 5.5}
        await save(store, *(sealed(key, at) for key, at in times.items()))
        assert await found(store) == ["e", "d", "b", "c", "a", "f"]
        pages, before = [], None
        while rows := await store.recordings(RecordingFilter(before=before), 2):
            pages.append([row.sealed.key for row in rows])
            before = (rows[-1].sealed.recording_time, rows[-1].record_id)
        assert pages == [["e", "d"], ["b", "c"], ["a", "f"]]
        assert await found(store, 0) == []

    async def test_both_ends_of_a_range_of_time_belong_to_it(self, store: Store) -> None:
        await save(store, *(sealed(str(at), float(at)) for at in (9, 10, 11, 12, 13)))
        assert await found(store, since=10.0, until=12.0) == ["12", "11", "10"]
        assert await found(store, since=13.0) == ["13"]
        assert await found(store, until=9.0) == ["9"]
        assert await found(store, since=12.5, until=12.75) == []

    @pytest.mark.parametrize(
        "name", ["device_id", "device_alias", "group", "gate", "ani", "dnis", "call_id", "station"]
    )
    async def test_filter_by_a_call_variable(self, store: Store, name: str) -> None:
        x: dict[str, Any] = {name: "x"}
        y: dict[str, Any] = {name: "y"}
        await save(store, sealed("a", **x), sealed("b", **y), sealed("c", **x))
        assert await found(store, equals={name: "x"}) == ["c", "a"]
        assert await found(store, equals={name: "X"}) == []
        assert await found(store, equals={name: "x' OR 1=1 --"}) == []

    @pytest.mark.parametrize("number", range(1, USER_FIELDS + 1))
    async def test_filter_by_a_user_field(self, store: Store, number: int) -> None:
        name = f"user{number}"
        await save(store, sealed("a", users=users(**{name: "x"})), sealed("b", users=("x",) * 15), sealed("c"))
        assert await found(store, equals={name: "x"}) == ["b", "a"]
        assert await found(store, equals={name: ""}) == ["c"]
        assert await found(store, equals={name: "%"}) == []

    async def test_filter_by_a_number(self, store: Store) -> None:
        await save(store, sealed("a", keep_days=30), sealed("b"))
        assert await found(store, equals={"keep_days": "30"}) == ["a"]
        assert await found(store, equals={"keep_days": "thirty"}) == []
        assert await found(store, equals={"keep_days": "9" * 40}) == []

    async def test_filters_are_combined_with_and(self, store: Store) -> None:
        await save(
            store,
            sealed("a", 1.0, device_id="1111", users=users(user3="12345")),
            sealed("b", 2.0, device_id="1111", users=users(user3="12345")),
            sealed("c", 3.0, device_id="1111", users=users(user3="999")),
            sealed("d", 4.0, device_id="2222", users=users(user3="12345")),
        )
        assert await found(store, equals={"device_id": "1111", "user3": "12345"}) == ["b", "a"]
        assert await found(store, equals={"device_id": "1111", "user3": "12345"}, since=2.0) == ["b"]
        assert await found(store, equals={"user3": "999", "device_id": "2222"}) == []
        assert await found(store, equals={"user3": "12345", "user4": "", "keep_days": "-1"}) == ["d", "b", "a"]
        await store.add_user(User(username="a", crm_user="sally"))
        await store.add_user(User(username="b", crm_user="sally"))
        await save(store, sealed("e", 5.0, agent_id=1, ani="7"), sealed("f", 6.0, agent_id=2, ani="7"))
        await save(store, sealed("g", 7.0, agent_id=2), sealed("h", 8.0, ani="7"))
        assert await found(store, crm_user="sally", equals={"ani": "7"}) == ["f", "e"]
        assert await found(store, crm_user="sally", equals={"ani": "7", "device_id": "7008"}, until=5.0) == ["e"]

    async def test_an_unknown_filter_is_refused(self, store: Store) -> None:
        for name in ("users", "user16", "ident", "key; --", "agent_id"):
            with pytest.raises(ValueError, match="filtered"):
                await store.recordings(RecordingFilter(equals={name: "1"}), 1)

    async def test_people_are_resolved_through_the_users(self, store: Store) -> None:
        one = await store.add_user(User(username="one", crm_user="sally", sys_user="ssmith"))
        two = await store.add_user(User(username="two", crm_user="sally", sys_user="other"))
        three = await store.add_user(User(username="three", crm_user="bob"))
        await save(
            store, *(sealed(f"{place}", 10.0 + place, agent_id=(one, two, three)[place % 3]) for place in range(9))
        )
        await save(store, sealed("nobody", 100.0))
        assert await found(store, crm_user="sally") == ["7", "6", "4", "3", "1", "0"]
        assert await found(store, 3, crm_user="sally") == ["7", "6", "4"]
        assert await found(store, crm_user="sally", sys_user="ssmith") == ["6", "3", "0"]
        assert await found(store, crm_user="sally", since=12.0, until=14.0) == ["4", "3"]
        assert await found(store, crm_user="bob", before=(15.0, 6)) == ["2"]
        assert await found(store, crm_user="nobody") == []
        assert await found(store, crm_user="sally", equals={"device_id": "none"}) == []

    async def test_recordings_of_a_deleted_user_are_found(self, store: Store) -> None:
        gone = await store.add_user(User(username="gone", crm_user="sally"))
        await save(store, sealed("a", agent_id=gone))
        await store.delete_user(gone)
        assert await found(store, crm_user="sally") == ["a"]

    async def test_many_users_of_one_name(self, store: Store) -> None:
        agents = [await store.add_user(User(username=f"u{place}", crm_user="all")) for place in range(140)]
        await save(store, *(sealed(str(place), float(place), agent_id=agent) for place, agent in enumerate(agents)))
        assert await found(store, 5, crm_user="all") == ["139", "138", "137", "136", "135"]
        assert len(await found(store, 500, crm_user="all")) == 140

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("ani", "555"),
            ("user15", "last"),
            ("call_id", "c-1"),
            ("keep_days", "7"),
            ("record_id", "2"),
            ("agent_id", "1"),
            ("sys_user", "ssmith"),
            ("crm_user", "sally"),
            ("file_name", "C:\\Recordings\\20110131\\7008\\b.wav"),
            ("audio_sha256", "hash-of-b"),
        ],
    )
    async def test_the_newest_recording_with_a_value(self, store: Store, field: str, value: str) -> None:
        agent = await store.add_user(User(username="s", sys_user="ssmith", crm_user="sally"))
        known: dict[str, Any] = {"ani": "555", "call_id": "c-1", "keep_days": 7, "users": users(user15="last")}
        await save(
            store,
            sealed("a", 10.0, agent_id=agent, **known),
            sealed("b", 20.0, agent_id=agent, **known),
            sealed("c", 30.0),
        )
        row = await store.newest_recording(field, value)
        assert row is not None
        assert row.sealed == sealed("b", 20.0, agent_id=agent, **known)

    async def test_no_newest_recording(self, store: Store) -> None:
        await save(store, sealed("a"))
        for field, value in (("ani", "1"), ("record_id", "x"), ("agent_id", "5"), ("crm_user", ""), ("sys_user", "x")):
            assert await store.newest_recording(field, value) is None
        for field in ("users", "user0", "key", "duration"):
            with pytest.raises(ValueError, match="found by"):
                await store.newest_recording(field, "x")

    async def test_the_last_recording_of_a_device(self, store: Store) -> None:
        await save(
            store,
            sealed("a", 10.0, call_instance="1"),
            sealed("b", 30.0, call_instance="2"),
            sealed("c", 20.0, call_instance="1"),
            sealed("d", 40.0, device_id="other", call_instance="1"),
        )
        assert await store.last_recording_of_device("7008", None) == 2
        assert await store.last_recording_of_device("7008", "1") == 3
        assert await store.last_recording_of_device("7008", "") is None
        assert await store.last_recording_of_device("none", None) is None

    async def test_call_variables_are_changed_after_the_fact(self, store: Store) -> None:
        await save(store, sealed("a"), sealed("b"))
        assert await store.update_recording(1, {"user3": "gold", "group": "Sales", "keep_days": 3650, "ani": ""})
        row = await store.recording(1)
        assert row is not None
        expected = sealed("a").variables.changed({"user3": "gold", "group": "Sales", "keep_days": 3650})
        assert row.sealed == replace(sealed("a"), variables=expected)
        assert await found(store, equals={"user3": "gold", "group": "Sales"}) == ["a"]
        assert await store.update_recording(2, {})
        assert await store.update_recording(2, {"users": ("z",) * 15, "user1": "first"})
        assert await found(store, equals={"user1": "first", "user2": "z"}) == ["b"]
        wrong: list[dict[str, Any]] = [{"user16": "x"}, {"record_id": 7}, {"users": ("x",)}]
        for changes in wrong:
            with pytest.raises(ValueError, match=r"users needs|no call variable"):
                await store.update_recording(1, changes)

    async def test_all_objects(self, store: Store) -> None:
        await save(store, sealed("a"), sealed("b"))
        assert [one async for one in store.all_objects()] == [
            ("20110131/7008/a.wav", "hash-of-a", 984_044),
            ("20110131/7008/b.wav", "hash-of-b", 984_044),
        ]


class TestCalls:
    async def test_calls_come_newest_first_without_what_is_long(self, store: Store) -> None:
        calls = [finished(key, at, recordings=(sealed(key),)) for key, at in (("a", 1.0), ("b", 3.0), ("c", 2.0))]
        await store.save_calls(calls)
        listed = await store.calls(None, 10)
        assert [number for number, _ in listed] == [2, 3, 1]
        assert listed[0][1] == replace(calls[1], recordings=(), metadata=())

    async def test_calls_by_verdict_and_page(self, store: Store) -> None:
        verdicts = ("recorded", "failed", "recorded", "not_recorded", "recorded", "recorded")
        await store.save_calls([finished(str(place), 5.0, verdict=word) for place, word in enumerate(verdicts)])
        assert [number for number, _ in await store.calls("recorded", 10)] == [6, 5, 3, 1]
        assert [number for number, _ in await store.calls("recorded", 2, (5.0, 5))] == [3, 1]
        assert [number for number, _ in await store.calls(None, 2, (5.0, 4))] == [3, 2]
        assert await store.calls("failed", 0) == []

    async def test_one_call_is_complete(self, store: Store) -> None:
        parts = tuple(replace(sealed(f"p{part}"), call_key="call-x", part=part) for part in (0, 1, 2))
        call = finished("x", recordings=parts)
        await store.save_calls([finished("w"), call])
        assert await store.call(2) == call
        assert await store.call(3) is None
        assert await store.call_number(call.key) == 2
        assert await store.call_number("no such key") is None

    async def test_every_verdict_is_counted(self, store: Store) -> None:
        assert await store.verdict_counts() == {}
        await store.save_calls(
            [
                finished("a"),
                finished("b"),
                finished("c", reason="rule 7"),
                finished("d", verdict="failed"),
            ]
        )
        assert await store.verdict_counts() == {
            ("recorded", "no sound came"): 2,
            ("recorded", "rule 7"): 1,
            ("failed", "no sound came"): 1,
        }

    async def test_calls_saved_at_once_are_all_there(self, store: Store) -> None:
        async def save_ten(group: int) -> list[tuple[int, ...]]:
            return await store.save_calls(
                [finished(f"{group}.{place}", recordings=(sealed(f"{group}.{place}"),)) for place in range(10)]
            )

        groups = await asyncio.gather(*(save_ten(group) for group in range(8)))
        idents = [ident for rows in groups for row in rows for ident in row]
        assert sorted(idents) == list(range(1, 81))


SALLY = User(
    username="Sally",
    employee_id="E7",
    first_name="Sally",
    last_name="Smith",
    sys_user="ssmith",
    sys_domain="CORP",
    email="sally@example.org",
    crm_user="sally",
    site_id="3",
    is_admin=True,
    phones=("1234", "1001"),
)


class TestUsers:
    async def test_a_user_comes_back_as_added(self, store: Store) -> None:
        assert await store.add_user(SALLY) == 1
        assert await store.users() == [replace(SALLY, user_id=1, is_agent=True, added_at=NOW, modified_at=NOW)]

    async def test_times_that_are_given_are_kept(self, store: Store) -> None:
        await store.add_user(User(username="a", added_at=5.0, modified_at=6.0))
        (user,) = await store.users()
        assert (user.added_at, user.modified_at) == (5.0, 6.0)

    @pytest.mark.parametrize(
        ("second", "field"),
        [
            (User(username="SALLY"), "username"),
            (User(username="other", first_name="Sally", last_name="Smith"), "name"),
            (User(username="other", phones=("5", "1234")), "phone"),
        ],
    )
    async def test_what_is_taken(self, store: Store, second: User, field: str) -> None:
        await store.add_user(SALLY)
        with pytest.raises(NotUnique) as caught:
            await store.add_user(second)
        assert caught.value.field == field
        assert len(await store.users()) == 1
        other = await store.add_user(User(username="third"))
        changes = {"username": second.username} if field == "username" else {}
        changes |= {"first_name": "Sally", "last_name": "Smith"} if field == "name" else {}
        with pytest.raises(NotUnique) as caught:
            await store.modify_user(other, changes or {"phones": ("1234",)})
        assert caught.value.field == field

    async def test_umlauts_fold_too(self, store: Store) -> None:
        await store.add_user(User(username="Jörg"))
        with pytest.raises(NotUnique):
            await store.add_user(User(username="JÖRG"))

    async def test_blank_names_are_no_names(self, store: Store) -> None:
        await store.add_user(User(first_name="Sally"))
        await store.add_user(User(first_name="Sally"))
        await store.add_user(User(last_name="Smith"))
        await store.add_user(User(last_name="Smith", first_name="Bob"))
        assert len(await store.users()) == 4
        assert await store.password_hash("") is None

    async def test_a_deleted_user_stays_and_frees_everything(self, store: Store, clock: FakeClock) -> None:
        await store.add_user(SALLY, "hash")
        await store.add_login("token", 1, NOW + 100)
        clock.advance(5)
        await store.delete_user(1)
        assert await store.users() == []
        (gone,) = await store.users(include_deleted=True)
        assert gone == replace(
            SALLY, user_id=1, is_agent=True, deleted=True, phones=(), added_at=NOW, modified_at=NOW + 5
        )
        assert await store.login("token", NOW) is None
        assert await store.password_hash("sally") is None
        for work in (
            store.delete_user(1),
            store.modify_user(1, {"email": ""}),
            store.assign_phone("1", 1),
            store.add_login("t", 1, NOW + 5),
        ):
            with pytest.raises(NotFound):
                await work
        assert await store.add_user(SALLY) == 2

    async def test_modify(self, store: Store, clock: FakeClock) -> None:
        await store.add_user(SALLY)
        clock.advance(10)
        await store.modify_user(1, {"email": "s@example.org", "username": "sally", "phones": ["9", " ", "8 ", "9"]})
        (user,) = await store.users()
        assert user == replace(
            SALLY,
            user_id=1,
            is_agent=True,
            username="sally",
            email="s@example.org",
            phones=("9", "8"),
            added_at=NOW,
            modified_at=NOW + 10,
        )
        await store.add_user(User(username="b", phones=("1234", "1001")))
        with pytest.raises(NotFound):
            await store.modify_user(77, {})
        for wrong in ({"user_id": 5}, {"deleted": True}, {"nonsense": 1}):
            with pytest.raises(ValueError, match="field"):
                await store.modify_user(1, wrong)

    async def test_who_has_a_phone_is_an_agent(self, store: Store) -> None:
        await store.add_user(User(username="a"))
        await store.assign_phone("77", 1)
        assert [user.is_agent for user in await store.users()] == [True]
        await store.modify_user(1, {"is_agent": False})
        assert [user.is_agent for user in await store.users()] == [True]
        await store.modify_user(1, {"is_agent": False, "phones": ()})
        assert [user.is_agent for user in await store.users()] == [False]

    async def test_phones_are_assigned_and_freed(self, store: Store) -> None:
        await store.add_user(User(username="a", phones=("1",)))
        await store.add_user(User(username="b"))
        await store.assign_phone("2", 1)
        await store.assign_phone("2", 1)
        with pytest.raises(NotUnique) as caught:
            await store.assign_phone("2", 2)
        assert (caught.value.field, caught.value.value) == ("phone", "2")
        assert not await store.free_phone("2", 2)
        assert not await store.free_phone("2", 9)
        assert await store.free_phone("1", 1)
        assert not await store.free_phone("1", 1)
        await store.assign_phone("1", 2)
        assert [user.phones for user in await store.users()] == [("2",), ("1",)]
        with pytest.raises(NotFound):
            await store.assign_phone("3", 9)

    async def test_passwords(self, store: Store) -> None:
        await store.add_user(SALLY, "first")
        await store.add_user(User(username="nopassword"))
        known = await store.password_hash("SALLY")
        assert known is not None
        assert (known[0].user_id, known[0].phones, known[1]) == (1, SALLY.phones, "first")
        assert await store.password_hash("nopassword") is None
        assert await store.password_hash("nobody") is None
        await store.add_login("token", 1, NOW + 100)
        await store.modify_user(1, {}, "second")
        known = await store.password_hash("sally")
        assert known is not None
        assert known[1] == "second"
        assert await store.login("token", NOW) is None
        await store.modify_user(1, {"active": False})
        assert await store.password_hash("sally") is None

    async def test_logins(self, store: Store, clock: FakeClock) -> None:
        await store.add_user(SALLY)
        await store.add_login("one", 1, NOW + 10)
        await store.add_login("two", 1, NOW + 20)
        user = await store.login("one", NOW + 9)
        assert user is not None
        assert (user.username, user.phones) == ("Sally", SALLY.phones)
        assert await store.login("one", NOW + 10) is None
        assert await store.login("three", NOW) is None
        clock.advance(15)
        await store.add_login("three", 1, NOW + 30)
        assert await store.login("one", NOW) is None
        assert await store.login("two", NOW) is not None
        await store.end_login("two")
        await store.end_login("two")
        assert await store.login("two", NOW) is None
        await store.modify_user(1, {"active": False})
        assert await store.login("three", NOW) is None
        with pytest.raises(NotFound):
            await store.add_login("four", 9, NOW + 99)


class TestStations:
    async def test_a_mapping_replaces_what_contradicts_it(self, store: Store) -> None:
        assert await store.stations() == []
        one = Station(station="PC1", device_id="1111", location_id=7)
        assert await store.map_station(one) == one
        await store.map_station(Station(station="PC2", device_id="2222"))
        await store.map_station(Station(station="PC3", device_id="3333"))
        await store.map_station(Station(station="PC1", device_id="2222"))
        assert await store.stations() == [
            Station(station="PC3", device_id="3333", location_id=1),
            Station(station="PC1", device_id="2222", location_id=1),
        ]
