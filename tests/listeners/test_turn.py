"""A turn of the event loop: all is carried out, then all is answered."""

import asyncio

from structlog.testing import capture_logs

from earshot.listeners.turn import MOST, Turn


class Client:
    """A connection that notes what is done with it; `broken` ones fail."""

    def __init__(self, name: str, done: list[str], broken: bool = False) -> None:
        self.name = name
        self.done = done
        self.broken = broken

    def carry_out(self) -> None:
        self.done.append(f"carried out {self.name}")
        if self.broken:
            raise ValueError(self.name)

    def send(self) -> None:
        self.done.append(f"sent {self.name}")

    def abort(self) -> None:
        self.done.append(f"aborted {self.name}")


async def test_all_that_was_read_in_a_turn_is_carried_out_and_then_answered() -> None:
    turn, done = Turn(), list[str]()
    for name in "ab":
        turn.join(Client(name, done))
    assert done == []
    await asyncio.sleep(0)
    assert done == ["carried out a", "carried out b", "sent a", "sent b"]
    turn.join(Client("c", done))
    await asyncio.sleep(0)
    assert done[4:] == ["carried out c", "sent c"]


async def test_very_many_do_not_wait_for_the_end_of_the_turn() -> None:
    turn, done = Turn(), list[str]()
    for number in range(MOST + 1):
        turn.join(Client(str(number), done))
    assert len(done) == 2 * MOST
    await asyncio.sleep(0)
    assert done[-1] == f"sent {MOST}"


async def test_a_connection_that_fails_is_closed_and_the_others_are_answered() -> None:
    turn, done = Turn(), list[str]()
    with capture_logs() as logs:
        turn.join(Client("a", done, broken=True))
        turn.join(Client("b", done))
        await asyncio.sleep(0)
    assert "aborted a" in done and done[-1] == "sent b"
    assert [entry["event"] for entry in logs] == ["connection_failed"]
