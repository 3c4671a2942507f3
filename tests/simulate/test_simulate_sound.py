"""Samples and encoders: PyAV decodes what our encoders made, and it is the track again."""

import io
from collections.abc import Callable

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from earshot.simulate import speech
from earshot.simulate.codecs import CODECS, Frames, alaw, encode, frames, mulaw

EVERY = np.arange(-32_768, 32_768).astype(np.int16)
DECODERS = {"PCMU": "pcm_mulaw", "PCMA": "pcm_alaw", "G722": "g722", "OPUS": "libopus"}
RATES = {"G722": 16_000, "OPUS": 48_000}


def decoded(made: Frames) -> NDArray[np.float64]:
    """All payloads one after the other, decoded and brought to 8 kHz."""
    name, rate = made.codec.name, RATES.get(made.codec.name, 8_000)
    if name == "G726-32":
        raw = io.BytesIO(made.data.tobytes())
        with av.open(raw, "r", format="g726le", options={"code_size": "4", "sample_rate": "8000"}) as container:
            found = list(container.decode(audio=0))
    else:
        context = av.CodecContext.create(DECODERS[name], "r")
        assert isinstance(context, av.AudioCodecContext)
        context.sample_rate, context.layout = rate, "mono"
        found = [frame for n in range(len(made)) for frame in context.decode(av.Packet(made.payload(n)))]
    sound = np.concatenate([frame.to_ndarray().reshape(-1) for frame in found]).astype(np.float64)
    return np.asarray(sound.reshape(-1, rate // 8_000).mean(axis=1))


def test_the_conversations() -> None:
    talks = speech.conversations()
    assert len(talks) >= 4
    assert len({talk.topic for talk in talks}) == len(talks)
    for talk in talks:
        agent, customer = speech.track(talk.name, "agent"), speech.track(talk.name, "customer")
        assert len(agent) == len(customer) == talk.samples
        assert talk.samples % speech.FRAME_SAMPLES == 0
        assert {turn.party for turn in talk.turns} == {"agent", "customer"}
        for turn in talk.turns:
            span = slice(int(turn.start_s * 8_000), int(turn.end_s * 8_000))
            speaking, silent = (agent, customer) if turn.party == "agent" else (customer, agent)
            loud = np.sqrt(np.mean(speaking[span].astype(np.float64) ** 2))
            quiet = np.sqrt(np.mean(silent[span].astype(np.float64) ** 2))
            assert loud > 1_000
            assert quiet < 60
    secrets = [turn for talk in talks for turn in talk.turns if turn.secret]
    assert [turn.secret for turn in secrets] == ["4111 1111 1111 1111"]


def test_the_mixed_track_is_the_sum() -> None:
    agent, customer, both = (speech.track("complaint", party) for party in speech.PARTIES)
    assert np.array_equal(both, agent + customer)


@pytest.mark.parametrize(("name", "compand"), [("pcm_mulaw", mulaw), ("pcm_alaw", alaw)])
def test_g711_is_within_half_a_step(name: str, compand: Callable[..., NDArray[np.uint8]]) -> None:
    context = av.CodecContext.create(name, "r")
    assert isinstance(context, av.AudioCodecContext)
    context.sample_rate, context.layout = 8_000, "mono"
    levels = context.decode(av.Packet(bytes(range(256))))[0].to_ndarray()[0].astype(np.int64)
    clipped = np.clip(EVERY.astype(np.int64), levels.min(), levels.max())
    error = np.abs(clipped - levels[compand(EVERY)])
    assert (error <= (np.abs(clipped) + 256) / 32).all()
    assert len(set(compand(EVERY).tolist())) >= 255
    assert np.array_equal(levels[compand(levels.astype(np.int16))], levels)


@pytest.mark.parametrize("name", list(CODECS))
def test_what_is_encoded_can_be_heard(name: str) -> None:
    track = speech.track("order-status", "customer")
    made = frames("order-status", "customer", name)
    assert len(made) == len(track) // speech.FRAME_SAMPLES
    if name != "OPUS":
        assert set(made.lengths.tolist()) == {80 if name == "G726-32" else 160}
    sound = decoded(made)
    likeness = {shift: float(np.corrcoef(track[:80_000], np.roll(sound, -shift)[:80_000])[0, 1]) for shift in range(60)}
    best = max(likeness, key=likeness.__getitem__)
    assert likeness[best] > 0.94
    assert best <= {"G722": 12, "OPUS": 53}.get(name, 0)


def test_payloads_wrap_and_are_cached() -> None:
    made = frames("appointment", "agent", "PCMU")
    assert made.payload(len(made) + 3) == made.payload(3) != made.payload(60)
    assert frames("appointment", "agent", "PCMU") is made


def test_a_track_is_whole_frames() -> None:
    with pytest.raises(ValueError, match="20 ms"):
        encode("PCMU", np.zeros(161, np.int16))
    with pytest.raises(KeyError):
        encode("G729", np.zeros(160, np.int16))
