"""A secret in every form in which it can be kept or given out: the codes that came, encrypted or not, the sound that
they mean, and what each format makes of it."""

import io
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from tests.acceptance.spoken import SECRET, places_of
from tests.acceptance.test_exports_live import Asker
from tests.journal.opened import opened as opened_journal
from tests.servers import Speaker

from earshot.media.decoders import mu_law_table
from earshot.media.formats.cav.container import CavReader
from earshot.ports import SealedRecording
from earshot.premises import Folders
from earshot.vault.errors import Altered, KeyDestroyed
from earshot.vault.files import opened
from earshot.vault.keyring import Keyring

MEANT = mu_law_table()[np.frombuffer(SECRET, np.uint8)].tobytes()
EDGE_S = 0.1
QUIET = 600
"""Of 32,768: what lossy formats may leave of loud neighbours within a silent span."""


def is_heard_in(wav: bytes) -> bool:
    """Whether the sound of the secret is in a 16-bit WAV, sample by sample, on any channel."""
    with wave.open(io.BytesIO(wav)) as sound:
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").reshape(-1, sound.getnchannels())
    return any(MEANT in np.ascontiguousarray(channel).tobytes() for channel in samples.T)


def secret_places(folder: Path, data_dir: Path, ring: Keyring | None) -> list[str]:
    """Where under `folder` the secret is found: in any file as it lies there, and in what the keys at hand open."""
    return [*places_of(folder), *_opened_places(data_dir, ring)]


def _opened_places(data_dir: Path, ring: Keyring | None) -> Iterator[str]:
    folders = Folders(data_dir)
    if SECRET in opened_journal(folders.journal, ring):
        yield "journal, decrypted"
    for path in sorted(data_dir.rglob("*")):
        if not path.is_file() or path.is_relative_to(folders.journal):
            continue
        try:
            with opened(path, ring) as file:
                data = file.read()
        except (Altered, KeyDestroyed):
            continue  # half a file that nobody finished, or a cached export, the key of which is nowhere on the disk
        if SECRET in data or (data[:4] == b"RIFF" and is_heard_in(data)):
            yield f"{path.relative_to(data_dir)}, decrypted"


async def assert_not_given_out(server: Speaker, recording: SealedRecording) -> None:
    """Recording 1 is exported in every format: the secret is in none, and its blackouts are silent in all."""
    asker = Asker(server)
    spans = [(start, end) for start, end, why in recording.gaps if why == "blackout"]
    assert not is_heard_in((await asker.one("WAV")).content)
    cav = CavReader(io.BytesIO((await asker.one("CAV")).content))
    assert cav.problems() == [] and not is_heard_in(b"".join(cav.member("audio.wav")))
    mp3, _ = soundfile.read(io.BytesIO((await asker.one("MP3")).content), dtype="int16", always_2d=True)
    vox, _ = soundfile.read(
        io.BytesIO((await asker.one("VOX")).content),
        dtype="int16",
        always_2d=True,
        channels=1,
        samplerate=recording.sample_rate_hz,
        format="RAW",
        subtype="VOX_ADPCM",
    )
    for sound in (mp3, vox):
        loud = np.abs(sound.astype(np.int32)).max(axis=1)
        assert loud.max() > 10 * QUIET
        for start, end in spans:
            inside = loud[
                int((start + EDGE_S) * recording.sample_rate_hz) : int((end - EDGE_S) * recording.sample_rate_hz)
            ]
            assert inside.size == 0 or inside.max() < QUIET
