"""Whoever administers users cannot make themselves an administrator by way of an administrator's password."""

from pathlib import Path

import pytest

from earshot.actor import PROTOCOL, Actor
from earshot.api.context import Context
from earshot.api.cores import Cores
from earshot.api.dispatch import Api
from earshot.clock import FakeClock
from earshot.ports import User
from earshot.protocol.commands import COMMANDS
from earshot.protocol.decode import Request
from earshot.protocol.results import INVALID_REQUEST_TYPE, Result
from earshot.storage.memory import MemoryStorage
from earshot.store.memory import MemoryStore

CLERK = Actor(kind="person", name="clerk", user_id=9, permissions=frozenset({"USERADMINISTRATION"}))


@pytest.mark.parametrize("action", ["MODIFY", "DELETE"])
@pytest.mark.parametrize("is_admin", [True, False])
async def test_an_administrator_is_left_to_administrators(action: str, is_admin: bool, tmp_path: Path) -> None:
    clock = FakeClock(1_000.0)
    store = MemoryStore(clock)
    hashed = "as it was"
    user_id = await store.add_user(User(username="boss", is_admin=is_admin), hashed)
    context = Context(
        cores=Cores([]),
        store=store,
        storage=MemoryStorage(),
        clock=clock,
        data_dir=tmp_path,
        hash_password=lambda password: f"hash of {password}",
    )
    params = {"ACTION": action, "USERID": str(user_id), "PASSWORD": "mine"}
    answer = await Api(context).answer(Request(COMMANDS["IMPORTUSER"], "7", params, "http", actor=CLERK))
    assert isinstance(answer, Result)
    assert (answer.label == INVALID_REQUEST_TYPE) is is_admin
    kept = await store.password_hash("boss")
    assert (kept is not None and kept[1] == hashed) is is_admin
    answer = await Api(context).answer(Request(COMMANDS["IMPORTUSER"], "8", params, "http", actor=PROTOCOL))
    assert isinstance(answer, Result)
    assert answer.ok or not is_admin, "a client of the XML protocol may do everything"
