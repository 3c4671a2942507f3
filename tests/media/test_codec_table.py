"""Every codec of the table, against an encoder, known vectors, or both."""

from itertools import pairwise

import numpy as np
import pytest
from tests.media.synthetic import codes, encoded, oracle, snr_db, split, tone

from earshot.media.codecs import CODECS, kind_of
from earshot.media.decoders import Decoder, G726Decoder
from earshot.media.packets import STATIC_CODECS, Codec, Samples


def decode(codec: Codec, payloads: list[bytes], decoder: Decoder | None = None) -> Samples:
    """Payloads through the table's decoder as one batch."""
    kind = kind_of(codec)
    assert kind is not None and kind.decoder is not None
    data = np.frombuffer(b"".join(payloads), np.uint8)
    size = np.array([len(payload) for payload in payloads], np.int64)
    start = np.cumsum(size) - size
    samples = kind.samples(codec, data, start, size)
    decoded = (decoder or kind.decoder(codec)).decode(data, start, size, samples)
    assert decoded.size == samples.sum()
    return decoded


@pytest.mark.parametrize(("name", "reference"), [("PCMA", "pcm_alaw"), ("PCMU", "pcm_mulaw")])
def test_g711_is_exact_for_every_code_pair(name: str, reference: str) -> None:
    every = np.arange(65536, dtype="<u2").tobytes()
    assert (decode(Codec(name, 8000), split(every, 160)) == oracle(reference, every, 8000)).all()


@pytest.mark.parametrize("sizes", [[160, 80, 160, 33, 1], [1], [7, 7, 7]])
def test_g711_takes_packets_of_any_sizes(sizes: list[int]) -> None:
    data = codes(sum(sizes))
    edges = np.cumsum([0, *sizes])
    payloads = [data[int(a) : int(b)] for a, b in pairwise(edges)]
    assert (decode(Codec("PCMU", 8000), payloads) == oracle("pcm_mulaw", data, 8000)).all()


def test_g722_is_wideband_on_a_narrowband_clock() -> None:
    sound = tone(16000, 3, 5000)
    payloads = encoded("g722", sound, 16000, 320, 64000)
    assert {len(payload) for payload in payloads} == {160}
    decoded = decode(STATIC_CODECS[9], payloads)
    assert decoded.size == sound.size
    assert snr_db(sound[2000:-100], decoded[2022 : decoded.size - 78]) > 18


def test_g722_in_two_batches_is_the_same_as_in_one() -> None:
    payloads = encoded("g722", tone(16000, 1), 16000, 320, 64000)
    kind = CODECS["G722"]
    assert kind.decoder is not None
    decoder = kind.decoder(STATIC_CODECS[9])
    halves = [decode(STATIC_CODECS[9], part, decoder) for part in (payloads[:20], payloads[20:])]
    assert (np.concatenate(halves) == decode(STATIC_CODECS[9], payloads)).all()


@pytest.mark.parametrize("frame", [480, 960, 2880])
def test_opus_frames_are_measured_by_their_first_byte(frame: int) -> None:
    sound = tone(48000, 3, 700)
    payloads = encoded("libopus", sound, 48000, frame, 32000)
    decoded = decode(Codec("opus", 48000, 2), payloads)
    delay = max(range(200, 420), key=lambda d: snr_db(sound[9600:96000], decoded[9600 + d : 96000 + d]))
    assert snr_db(sound[9600:96000], decoded[9600 + delay : 96000 + delay]) > 15
    assert delay < 480


@pytest.mark.parametrize(
    ("payload", "samples"),
    [
        (b"\x08", 960),  # SILK 20 ms, one frame
        (b"\x09\x01\x02", 1920),  # two frames of equal size
        (b"\x0b\x03", 2880),  # code 3, three frames
        (b"\x0b", 0),  # code 3 without its count
        (b"\x0b\x3f", 0),  # longer than 120 ms
        (b"\xe0\x00", 120),  # CELT 2.5 ms
        (b"\x18\x00", 2880),  # SILK 60 ms
    ],
)
def test_opus_durations(payload: bytes, samples: int) -> None:
    data = np.frombuffer(payload, np.uint8)
    one = CODECS["OPUS"].samples(Codec("opus", 48000, 2), data, np.zeros(1, np.int64), np.array([data.size]))
    assert one.tolist() == [samples]


def test_a_damaged_opus_packet_is_silence_and_counted() -> None:
    payloads = encoded("libopus", tone(48000, 1), 48000, 960, 32000)
    payloads[10] = b"\x0b\x02" + b"\xff" * 3
    kind = CODECS["OPUS"]
    assert kind.decoder is not None
    decoder = kind.decoder(Codec("opus", 48000, 2))
    decode(Codec("opus", 48000, 2), payloads, decoder)
    assert decoder.failed == 1


def test_g726_code_words_start_in_the_low_bits() -> None:
    """RFC 3551, 4.5.4: the first code word sits in the four least significant bits. 0111 is the largest step up."""
    low_first = decode(Codec("G726-32", 8000), [b"\x07"])
    high_first = decode(Codec("AAL2-G726-32", 8000), [b"\x70"])
    assert low_first[0] > 0
    assert (low_first == high_first).all()
    assert (decode(Codec("G726-32", 8000), [b"\x70"]) != low_first).any()


def test_g726_round_trip() -> None:
    sound = tone(8000, 2)
    payloads = encoded("g726le", sound, 8000, 160, 32000)
    payloads = split(b"".join(payloads), 80)
    assert snr_db(sound[800:], decode(STATIC_CODECS[2], payloads)[800:]) > 25
    swapped = [bytes((byte >> 4 | byte << 4) & 0xFF for byte in payload) for payload in payloads]
    assert (decode(Codec("AAL2-G726-32", 8000), swapped) == decode(STATIC_CODECS[2], payloads)).all()


def test_g726_in_two_batches_is_the_same_as_in_one() -> None:
    payloads = split(b"".join(encoded("g726le", tone(8000, 1), 8000, 160, 32000)), 80)
    decoder = G726Decoder("g726le")
    halves = [decode(STATIC_CODECS[2], part, decoder) for part in (payloads[:20], payloads[20:])]
    assert (np.concatenate(halves) == decode(STATIC_CODECS[2], payloads)).all()


def test_g729_frames_and_silence_descriptors() -> None:
    """Ten bytes are 10 ms; a 2-byte SID frame takes its 10 ms as silence, wherever in the stream it comes."""
    frames = split(codes(60, seed=5), 10)
    kind = CODECS["G729"]
    assert kind.decoder is not None
    decoder = kind.decoder(STATIC_CODECS[18])
    payloads = [frames[0] + frames[1], frames[2] + b"\x11\x22", b"\x33\x44", frames[3] + frames[4], frames[5]]
    decoded = decode(STATIC_CODECS[18], payloads, decoder)
    assert decoded.size == 80 * 8
    voiced = oracle("g729", b"".join(frames), 8000)
    assert (decoded[:240] == voiced[:240]).all()
    assert not decoded[240:400].any()
    assert (decoded[400:] == voiced[240:]).all()
    assert np.abs(voiced).max() > 100
    assert (decoder.noise, decoder.failed) == (2, 0)


def test_l16_in_network_order() -> None:
    sound = tone(16000, 0.1)
    assert (decode(Codec("L16", 16000), [sound.astype(">i2").tobytes()]) == sound).all()
    both = np.stack([sound, sound], axis=1).astype(">i2").tobytes()
    assert (decode(Codec("L16", 16000, 2), [both]) == sound).all()


def test_names_are_found_in_any_case_and_strange_ones_are_not() -> None:
    assert kind_of(Codec("pcmu", 8000)) is CODECS["PCMU"]
    assert kind_of(Codec("G729A", 8000)) is CODECS["G729"]
    assert kind_of(Codec("EVS", 16000)) is None
    assert kind_of(Codec("L16", 1)) is None
    assert kind_of(None) is None
