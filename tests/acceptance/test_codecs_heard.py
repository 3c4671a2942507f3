"""What a listener hears: real speech sent in every codec the simulator can encode, compared with the recording.

The right channel is compared as well, so the sides cannot be swapped: one party speaks while the other listens.
"""

import asyncio
import io
import wave

import numpy as np
from numpy.typing import NDArray
from scipy.signal import correlate, resample_poly
from tests.plain_http import http_client
from tests.servers import Speaker

from earshot.simulate.speech import AGENT, CUSTOMER, conversations, track

# Lossless codecs are nearly the track itself; the others are as good as they are.
LEAST = {"PCMU": 0.97, "PCMA": 0.97, "G722": 0.9, "G726-32": 0.9, "OPUS": 0.85}
SECONDS = 9.0

Sound = NDArray[np.float64]


async def exported(server: Speaker, device: str) -> tuple[int, Sound]:
    async with http_client(base_url=f"http://{server.host}:{server.http_port}") as http:
        query = f"type=export&requestid=1&uniquefield=deviceid&uniqueid={device}&media_format=wav"
        content = (await http.get(f"/webAPI.aspx?{query}")).content
    with wave.open(io.BytesIO(content)) as sound:
        frames = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
        return sound.getframerate(), frames.reshape(-1, sound.getnchannels()).astype(np.float64)


def likeness(heard: Sound, sent: Sound) -> float:
    """The greatest normalised correlation of what was heard with the beginning of what was sent."""
    scale = np.sqrt(np.dot(heard, heard) * np.dot(sent[: len(heard)], sent[: len(heard)]))
    return float(correlate(heard, sent[: len(heard)]).max() / scale) if scale else 0.0


async def test_both_parties_are_heard_on_their_sides(live_server: Speaker) -> None:
    one = {"calls": 1, "concurrent": 1, "devices": 1, "crm": False, "length_s": (SECONDS, SECONDS)}
    devices = {codec: 1001 + number for number, codec in enumerate(LEAST)}
    calls = (live_server.simulate(codecs=(codec,), first_device=device, **one) for codec, device in devices.items())
    await asyncio.gather(*calls)
    for codec, device in devices.items():
        await live_server.until("CALLLIST", b"<RECORDID>", DEVICEID=device)
        rate_hz, sound = await exported(live_server, str(device))
        assert rate_hz in (8000, 16000) and sound.shape[1] == 2
        talk = conversations()[0].name
        tracks = [track(talk, party).astype(np.float64) for party in (AGENT, CUSTOMER)]
        for channel, party in enumerate((AGENT, CUSTOMER)):
            heard = resample_poly(sound[:, channel], 1, rate_hz // 8000).astype(np.float64)
            found = likeness(heard, tracks[channel])
            assert found > LEAST[codec], f"{party} in {codec}: {found}"
            assert found > 2 * likeness(heard, tracks[1 - channel]), f"{party} in {codec} is on the wrong side"
