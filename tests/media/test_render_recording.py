"""Whole recordings: what was said stands in the file, at its place, to the sample."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.media.synthetic import (
    START_US,
    Sent,
    a_law,
    codes,
    encoded,
    leg,
    oracle,
    read,
    rtp,
    snr_db,
    split,
    spoken,
    tone,
)

from earshot.media.packets import Codec, LegFigures, LegSource
from earshot.media.render import Limits, Rendered, render_recording
from earshot.media.silencing import without_keys

SECOND = 1_000_000
EVENTS = {101: Codec("telephone-event", 8000)}


def render(legs: list[LegSource], seconds: float, out: Path, **more: Any) -> tuple[Rendered, np.ndarray]:
    masks = [(START_US + int(a * SECOND), START_US + int(b * SECOND)) for a, b in more.pop("masks", [])]
    done = render_recording(legs, START_US, START_US + int(seconds * SECOND), masks, out, **more)
    whole = read(out)
    assert whole.shape == (done.frames, done.channels)
    assert hashlib.sha256(out.read_bytes()).hexdigest() == done.sha256
    assert out.stat().st_size == done.size
    assert soundfile.info(out).samplerate == done.sample_rate_hz
    return done, whole


def test_two_legs_become_left_and_right_to_the_sample(tmp_path: Path) -> None:
    mine, yours = codes(8000 * 4, 1), codes(8000 * 3, 2)
    legs = [
        leg(spoken(split(yours, 80), ptime_us=10_000, ticks=80, first_us=500_000, payload_type=0), "other", size=7),
        leg(spoken(split(mine, 160), sequence=65_500, timestamp=2**32 - 9000), "agent", size=11),
    ]
    done, whole = render(legs, 4, tmp_path / "a.wav")
    assert (whole[:, 0] == a_law(mine)).all()
    assert not whole[:4000, 1].any()
    assert (whole[4000:28000, 1] == oracle("pcm_mulaw", yours, 8000)).all()
    assert not whole[28000:, 1].any()
    assert (done.channels, done.sample_rate_hz, done.frames, done.duration_s) == (2, 8000, 32000, 4.0)
    assert (done.warnings, done.gaps) == ((), ())
    assert done.leg_figures[1] == LegFigures(label="agent", side="agent", codec="PCMA", received=200)


def test_sound_before_the_start_and_after_the_stop_is_left_out(tmp_path: Path) -> None:
    sound = codes(8000 * 3)
    _, whole = render([leg(spoken(split(sound, 160), first_us=-SECOND))], 1.5, tmp_path / "a.wav")
    assert (whole[:, 0] == a_law(sound)[8000:20000]).all()


def test_one_mixed_leg_is_mono(tmp_path: Path) -> None:
    sound = codes(8000 * 3)
    done, whole = render([leg(spoken(split(sound, 160)), "mixed")], 3, tmp_path / "a.wav")
    assert done.channels == 1
    assert (whole[:, 0] == a_law(sound)).all()
    assert done.warnings == ("mixed",)


def test_legs_of_one_side_are_added_and_clipped(tmp_path: Path) -> None:
    first, second = codes(8000, 1), codes(8000, 2)
    legs = [leg(spoken(split(first, 160))), leg(spoken(split(second, 160), ssrc=2))]
    _, whole = render(legs, 1, tmp_path / "a.wav")
    both = np.clip(a_law(first).astype(int) + a_law(second), -32768, 32767)
    assert (whole[:, 0] == both).all()
    assert np.abs(both).max() > 32000


def test_without_packets_there_is_silence_and_a_warning(tmp_path: Path) -> None:
    done, whole = render([leg([]), leg([], "other")], 1, tmp_path / "a.wav")
    assert not whole.any()
    assert done.warnings == ("silent", "short")
    assert done.leg_figures[0].silent
    assert done.peaks == bytes(50 * 4)


def test_a_call_without_legs_is_a_silent_stereo_file(tmp_path: Path) -> None:
    done, whole = render([], 2.5, tmp_path / "a.wav")
    assert whole.shape == (20000, 2)
    assert done.warnings == ("silent",)


def test_one_side_that_says_nothing_is_told(tmp_path: Path) -> None:
    talking = leg(spoken(split(codes(24000), 160)))
    idle = leg(spoken([b"\xd5" * 160] * 150), "other")
    done, _ = render([talking, idle], 3, tmp_path / "a.wav")
    assert done.warnings == ("one-sided",)
    assert [figures.silent for figures in done.leg_figures] == [False, True]


def test_lost_packets_leave_silence_of_their_length(tmp_path: Path) -> None:
    sound = codes(8000 * 4)
    sent = spoken(split(sound, 160))
    kept = [one for i, one in enumerate(sent) if not (i in (3, 4) or 100 <= i < 110)]
    done, whole = render([leg(kept)], 4, tmp_path / "a.wav")
    wanted = a_law(sound).copy()
    wanted[480:800] = 0
    wanted[16000:17600] = 0
    assert (whole[:, 0] == wanted).all()
    assert done.leg_figures[0].lost == 12
    assert done.gaps == ((0.06, 0.1, "loss"), (2.0, 2.2, "loss"))
    assert "lossy" in done.warnings
    calm, _ = render([leg(kept)], 4, tmp_path / "a.wav", limits=Limits(lossy_percent=10))
    assert "lossy" not in calm.warnings


def test_masks_are_silent_and_told(tmp_path: Path) -> None:
    sound = codes(8000 * 3)
    legs = [leg(spoken(split(sound, 160))), leg(spoken(split(sound, 160)), "other")]
    done, whole = render(legs, 3, tmp_path / "a.wav", masks=[(1.00001, 1.5), (-5, 0.25), (2.9, 7)])
    wanted = a_law(sound).copy()
    for begin, end in ((8000, 12000), (0, 2000), (23200, 24000)):
        wanted[begin:end] = 0
    assert (whole == wanted[:, None]).all()
    assert done.gaps == ((0.0, 0.25, "blackout"), (1.00001, 1.5, "blackout"), (2.9, 3.0, "blackout"))
    assert done.peaks[55 * 4 : 60 * 4] == bytes(20)


def test_silence_suppression_keeps_the_time(tmp_path: Path) -> None:
    """Timestamps go on while nothing is sent; comfort noise says so and makes no sound."""
    words = codes(8000)
    first = spoken(split(words[:4000], 160))
    noise = [Sent(520_000 + i * 400_000, rtp(b"\x40", 125 + i, 9000 + i * 3200, payload_type=13)) for i in range(3)]
    second = spoken(split(words[4000:], 160), first_us=2 * SECOND, sequence=128, timestamp=5000 + 16000)
    done, whole = render([leg(first + noise + second)], 3, tmp_path / "a.wav")
    assert (whole[:4000, 0] == a_law(words)[:4000]).all()
    assert not whole[4000:16000, 0].any()
    assert (whole[16000:20000, 0] == a_law(words)[4000:]).all()
    assert (done.leg_figures[0].comfort_noise, done.leg_figures[0].lost) == (3, 0)
    assert done.gaps == ()


@pytest.mark.parametrize("counting", [True, False], ids=["timestamps go on", "timestamps stand still"])
def test_a_hold_keeps_its_length(tmp_path: Path, counting: bool) -> None:
    words = codes(16000)
    first = spoken(split(words[:8000], 160))
    stamp = 5000 + (20 * 8000 if counting else 8000)
    second = spoken(split(words[8000:], 160), first_us=20 * SECOND, sequence=150, timestamp=stamp)
    done, whole = render([leg(first + second)], 21, tmp_path / "a.wav")
    assert (whole[:8000, 0] == a_law(words)[:8000]).all()
    assert not whole[8000:160000, 0].any()
    assert (whole[160000:, 0] == a_law(words)[8000:]).all()
    assert (done.leg_figures[0].lost, done.leg_figures[0].clock_jumps) == (0, 0)
    assert done.gaps == ((1.0, 20.0, "hold"),)


def test_a_network_that_stalled_changes_nothing(tmp_path: Path) -> None:
    sound = codes(8000 * 8)
    sent = [
        Sent(4_985_000 + i * 20 if 100 <= i < 249 else one.at_us, one.packet)
        for i, one in enumerate(spoken(split(sound, 160)))
    ]
    done, whole = render([leg(sent)], 8, tmp_path / "a.wav")
    assert (whole[:, 0] == a_law(sound)).all()
    assert (done.leg_figures[0].late, done.leg_figures[0].clock_jumps) == (0, 0)


def test_a_clock_that_jumps_is_anchored_again(tmp_path: Path) -> None:
    sound = codes(8000 * 4)
    first = spoken(split(sound[:16000], 160))
    second = spoken(split(sound[16000:], 160), first_us=2 * SECOND, sequence=200, timestamp=3_000_000_000)
    done, whole = render([leg(first + second)], 4, tmp_path / "a.wav")
    assert (whole[:, 0] == a_law(sound)).all()
    assert (done.leg_figures[0].clock_jumps, done.leg_figures[0].lost) == (1, 0)


def test_a_new_ssrc_goes_on_where_the_old_one_ended(tmp_path: Path) -> None:
    sound = codes(8000 * 4)
    first = spoken(split(sound[:16000], 160))
    second = spoken(split(sound[16000:], 160), first_us=2 * SECOND, sequence=7, timestamp=1, ssrc=99, payload_type=0)
    done, whole = render([leg(first + second)], 4, tmp_path / "a.wav")
    assert (whole[:16000, 0] == a_law(sound[:16000])).all()
    assert (whole[16000:, 0] == oracle("pcm_mulaw", sound[16000:], 8000)).all()
    assert (done.leg_figures[0].ssrc_changes, done.leg_figures[0].lost) == (1, 0)


def test_each_packet_is_decoded_by_its_payload_type(tmp_path: Path) -> None:
    sound = codes(8000 * 2)
    sent = spoken(split(sound, 160))
    mixed = [
        Sent(one.at_us, one.packet[:1] + bytes([0 if i % 3 else 8]) + one.packet[2:]) for i, one in enumerate(sent)
    ]
    _, whole = render([leg(mixed)], 2, tmp_path / "a.wav")
    blocks = np.arange(16000) // 160 % 3 == 0
    assert (whole[:, 0] == np.where(blocks, a_law(sound), oracle("pcm_mulaw", sound, 8000))).all()


def test_unknown_payload_types_are_silent_and_counted(tmp_path: Path) -> None:
    sound = codes(8000 * 2)
    sent = spoken(split(sound, 160))
    strange = [Sent(o.at_us, o.packet[:1] + b"\x75" + o.packet[2:]) if i in (5, 6) else o for i, o in enumerate(sent)]
    done, whole = render([leg([*strange, Sent(1, b"junk")])], 2, tmp_path / "a.wav")
    assert not whole[800:1120].any()
    assert (whole[1120:, 0] == a_law(sound)[1120:]).all()
    assert (done.undecodable_packets, done.broken_packets, done.leg_figures[0].lost) == (2, 1, 0)
    assert "undecodable" in done.warnings


def test_keys_are_kept_and_not_heard(tmp_path: Path) -> None:
    """RFC 4733: seven packets of one key share a timestamp, the last three say its end."""
    sound = codes(8000 * 2)
    sent = spoken(split(sound, 160), sequence=100)
    for place, event in ((10, 4), (30, 11)):
        stamp = 5000 + place * 160
        for i in range(7):
            told = bytes([event, 0x80 if i > 3 else 10]) + (160 * min(i + 1, 5)).to_bytes(2, "big")
            sent[place + i] = Sent(sent[place + i].at_us, rtp(told, 100 + place + i, stamp, payload_type=101))
    done, whole = render([leg(sent, codecs=EVENTS)], 2, tmp_path / "a.wav")
    wanted = a_law(sound).copy()
    wanted[1600:2720] = wanted[4800:5920] = 0
    assert (whole[:, 0] == wanted).all()
    assert (done.leg_figures[0].digits, done.leg_figures[0].digits_at) == ("4#", ((0.2, 0.32), (0.6, 0.72)))
    assert [one.digits for one in without_keys(done.leg_figures, [(0.0, 0.22), (0.721, 2.0)])] == ["#"]
    (of_old,) = without_keys([replace(done.leg_figures[0], digits_at=())], [(1.5, 1.6)])
    assert of_old.digits == "", "nobody kept when they were: in doubt they go"
    assert [(d.key, d.at_s, d.duration_s) for d in done.digits] == [("4", 0.22, 0.1), ("#", 0.62, 0.1)]
    assert done.leg_figures[0].lost == 0


def test_wideband_makes_a_wideband_file_and_leaves_narrowband_samples_as_they_are(tmp_path: Path) -> None:
    wide = tone(16000, 3, 5000)
    narrow = codes(24000)
    legs = [
        leg(spoken(encoded("g722", wide, 16000, 320, 64000), payload_type=9)),
        leg(spoken(split(narrow, 160)), "other"),
    ]
    done, whole = render(legs, 3, tmp_path / "a.wav")
    assert done.sample_rate_hz == 16000
    assert snr_db(wide[2000:-100], whole[2022:-78, 0]) > 18
    assert (whole[::2, 1] == a_law(narrow)).all()
    forced, folded = render(legs, 3, tmp_path / "b.wav", sample_rate_hz=8000)
    assert forced.sample_rate_hz == 8000
    assert np.abs(folded[400:-400, 0]).max() < 800
    assert (folded[:, 1] == a_law(narrow)).all()


def test_opus_lands_at_its_place(tmp_path: Path) -> None:
    sound = tone(48000, 3, 700)
    packets = spoken(encoded("libopus", sound, 48000, 960, 32000), ticks=960, payload_type=111)
    done, whole = render([leg(packets, codecs={111: Codec("opus", 48000, 2)})], 3, tmp_path / "a.wav")
    assert (done.sample_rate_hz, done.leg_figures[0].codec) == (16000, "OPUS")
    wanted = tone(16000, 3, 700)
    delay = max(range(60, 140), key=lambda d: snr_db(wanted[3200:32000], whole[3200 + d : 32000 + d, 0]))
    assert snr_db(wanted[3200:32000], whole[3200 + delay : 32000 + delay, 0]) > 15


def test_windows_do_not_show(tmp_path: Path) -> None:
    mine, yours = codes(8000 * 60, 1), encoded("g722", tone(16000, 60), 16000, 320, 64000)
    jitter = np.random.default_rng(4).integers(0, 60_000, 3000)
    sent = [Sent(one.at_us + int(j), one.packet) for one, j in zip(spoken(split(mine, 160)), jitter, strict=True)]
    sent[0] = Sent(20_000, sent[0].packet)
    sent.sort(key=lambda one: one.at_us)

    def legs() -> list[LegSource]:
        return [leg(sent[:500] + sent[505:], size=100), leg(spoken(yours, payload_type=9), "other", size=100)]

    whole, samples = render(legs(), 60, tmp_path / "a.wav")
    parts, same = render(legs(), 60, tmp_path / "b.wav", window_s=7, sync=True)
    assert (samples == same).all()
    assert parts.sha256 == whole.sha256
    assert parts.peaks == whole.peaks
    assert parts.gaps == whole.gaps
    assert [leg.lost for leg in parts.leg_figures] == [leg.lost for leg in whole.leg_figures] == [5, 0]
    assert [leg.late for leg in parts.leg_figures] == [leg.late for leg in whole.leg_figures]


@given(st.integers(0, 2**32))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_and_any_copies_sound_the_same(tmp_path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    sound = codes(8000 * 3, seed)
    sent = spoken(split(sound, 160), sequence=int(random.integers(65536)), timestamp=int(random.integers(2**32)))
    copies = [Sent(sent[i].at_us + int(random.integers(400_000)), sent[i].packet) for i in random.integers(0, 150, 20)]
    rows = sent + copies
    shuffled = [rows[i] for i in random.permutation(len(rows))]
    done, whole = render([leg(shuffled, size=1000)], 3, tmp_path / "a.wav")
    assert (whole[:, 0] == a_law(sound)).all()
    assert done.leg_figures[0].duplicated == 20


@given(st.integers(0, 2**32))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_late_packets_are_used(tmp_path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    sound = codes(8000 * 3, seed)
    sent = spoken(split(sound, 160))
    delayed = set(random.choice(np.arange(1, 150), 40, replace=False).tolist())
    rows = [
        Sent(o.at_us + (int(random.integers(400_000)) if i in delayed else 0), o.packet) for i, o in enumerate(sent)
    ]
    rows.sort(key=lambda one: one.at_us)
    done, whole = render([leg(rows)], 3, tmp_path / "a.wav")
    assert (whole[:, 0] == a_law(sound)).all()
    assert done.leg_figures[0].lost == 0


def test_a_span_that_ends_before_it_starts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ends after"):
        render_recording([], START_US, START_US - 1, [], tmp_path / "a.wav")
