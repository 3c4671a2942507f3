"""What is left of a call when it is over: its rows in the database and its exported sound."""

import asyncio
import io
import sqlite3
import wave
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from tests.interop.sounds import Samples
from tests.plain_http import http_client
from tests.servers import Speaker

STORED_S = 60.0


def rows(data_dir: Path, table: str, device: str) -> list[dict[str, Any]]:
    """All rows of a device."""
    with closing(sqlite3.connect(f"file:{data_dir / 'earshot.db'}?mode=ro", uri=True)) as database:
        database.row_factory = sqlite3.Row
        found = database.execute(f"SELECT * FROM {table} WHERE device_id = ? ORDER BY ident", (device,)).fetchall()
    return [dict(row) for row in found]


async def stored(data_dir: Path, device: str) -> dict[str, Any]:
    """The row of the device's call, as soon as it is there; it has one only."""
    try:
        async with asyncio.timeout(STORED_S):
            while not (found := rows(data_dir, "calls", device)):
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"the call of {device} has no verdict after {STORED_S:.0f} s") from None
    assert len(found) == 1, [call["reason"] for call in found]
    return found[0]


async def exported(server: Speaker, record_id: int) -> tuple[Samples, int]:
    """The exported WAV of a recording: samples by frame and channel, and its rate."""
    async with http_client(base_url=f"http://{server.host}:{server.http_port}") as http:
        query = f"type=export&requestid=1&uniquefield=recordid&uniqueid={record_id}&media_format=wav"
        response = await http.get(f"/webAPI.aspx?{query}")
    assert response.headers["content-type"] == "audio/wav", response.text[:300]
    with wave.open(io.BytesIO(response.content)) as sound:
        assert sound.getsampwidth() == 2
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
        return samples.reshape(-1, sound.getnchannels()), sound.getframerate()
