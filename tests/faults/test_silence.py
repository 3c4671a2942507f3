"""A stream that falls silent without a BYE ends its call; one that is on hold, or was until now, does not."""

import asyncio
from pathlib import Path

from tests.faults.evidence import phones_at, until, until_rows
from tests.servers import in_process

SILENCE_S = 3.0


async def test_silence_ends_a_call_and_hold_does_not(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    async with in_process(data_dir, media_timeout_s=SILENCE_S) as server, phones_at(server) as exchange:
        silent, held = await exchange.ring("2001"), await exchange.ring("2002")
        await asyncio.sleep(1.0)
        exchange.fall_silent(silent)
        await exchange.phones.hold(held)
        (call,) = await until_rows(data_dir, "2001")
        assert (call.verdict, call.reason) == ("recorded", "silence")
        await until(lambda: silent.call.ended_by_peer, "the BYE")
        await asyncio.sleep(1.0)
        await exchange.client.resume(held.call)
        await asyncio.sleep(1.0)
        assert not held.call.ended.is_set(), "silence counts from the end of the hold"
        await exchange.phones.resume(held)
        await asyncio.sleep(1.0)
        await exchange.phones.hang_up(held)
        assert not exchange.phones.refusals
        (other,) = [call for call in await until_rows(data_dir, "2002") if call.variables.device_id == "2002"]
        assert (other.verdict, other.reason) == ("recorded", "bye")
