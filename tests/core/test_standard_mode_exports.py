"""Exports of recordings with hidden spans: two files, one for those who hear them and one for everybody else."""

import io
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.core.test_exporter import KEYRING, Bench, all_of

from earshot.actor import EVERYTHING, PROTOCOL, SYSTEM, Actor
from earshot.api.exporting import ExportJob
from earshot.api.hearing import hidden_spans, may_hear, wav_reply
from earshot.errors import BadInput
from earshot.media.formats.cav.container import CavReader
from earshot.ports import RecordingRow, Storage
from earshot.storage.encrypted import EncryptedStorage
from earshot.storage.local import LocalStorage
from earshot.storage.memory import MemoryStorage
from earshot.tasks import Spawner


@pytest.fixture(params=["local", "encrypted elsewhere"], name="makers")
async def a_bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    plain: Storage = LocalStorage(tmp_path / "store") if request.param == "local" else MemoryStorage()
    keyring = KEYRING if "encrypted" in request.param else None
    return Bench(tmp_path, EncryptedStorage(plain, keyring) if keyring else plain, keyring)


def hiding(row: RecordingRow) -> RecordingRow:
    """The recording with something hidden between 0.1 and 0.3 s."""
    return replace(row, sealed=replace(row.sealed, gaps=((0.1, 0.3, "hidden"),)))


def samples(data: bytes) -> NDArray[np.int16]:
    with wave.open(io.BytesIO(data)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)


async def test_joined_recordings_are_silent_where_they_are_hidden_and_each_is_cached(makers: Bench) -> None:
    spawner = Spawner()
    makers.exporter.start(spawner)
    try:
        rows = (hiding(await makers.keep(1)), await makers.keep(2))
        job = ExportJob(rows=rows, kind="combined", format="WAV")
        quiet, loud = [samples(await all_of(makers.exporter, replace(job, hears=one))) for one in (False, True)]
        assert not quiet[800:2400].any() and loud[801:2400].all()
        assert (quiet[:800] == loud[:800]).all() and (quiet[2400:] == loud[2400:]).all()
        for again, before in ((False, quiet), (True, loud)):
            assert (samples(await all_of(makers.exporter, replace(job, hears=again))) == before).all()
        assert len(makers.left()) == 2 and [kind for kind, _ in makers.events].count("EXPORTSTARTED") == 2
        single = ExportJob(rows=rows[:1], kind="single", format="CAV")
        cav = CavReader(io.BytesIO(await all_of(makers.exporter, single)))
        assert cav.problems() == [] and cav.metadata()["silenced"] == [{"start": 0.1, "end": 0.3}]
        assert (samples(b"".join(cav.member("audio.wav"))) == quiet[:4000]).all()
        assert len(makers.left()) == 3, "what was sealed is compared, and not what was made silent"
    finally:
        await spawner.close()


async def test_a_hidden_sound_that_is_no_wav_file_is_not_given_out(tmp_path: Path) -> None:
    storage = MemoryStorage()
    row = hiding(await Bench(tmp_path, storage).keep(1))
    (tmp_path / "junk").write_bytes(b"OggS" + bytes(200))
    await storage.put_file(row.sealed.object_name, tmp_path / "junk")
    with pytest.raises(BadInput):
        await wav_reply(storage, row, "1.wav", hears=False)
    assert (await wav_reply(storage, row, "1.wav", hears=True)).object_name == row.sealed.object_name


def test_nobody_hears_it_but_persons_and_tokens_with_the_permission() -> None:
    person = Actor(kind="person", name="anna", permissions=frozenset({"HEARINGBLACKOUTS"}), sees=EVERYTHING)
    assert may_hear(person) and may_hear(replace(person, kind="token")) and may_hear(replace(person, permissions=None))
    others = (PROTOCOL, SYSTEM, replace(person, permissions=frozenset({"RECORDINGPLAYBACK"})))
    assert not any(map(may_hear, others))


async def test_other_gaps_hide_nothing(tmp_path: Path) -> None:
    row = hiding(await Bench(tmp_path, MemoryStorage()).keep(1))
    other = replace(row.sealed, gaps=((0.1, 0.2, "blackout"), (0.2, 0.3, "hold")))
    assert hidden_spans(other) == () and hidden_spans(row.sealed) == ((0.1, 0.3),)
    assert hidden_spans(row.sealed, hears=True) == ()
