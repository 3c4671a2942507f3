"""Is a recording what was sealed? Its media, its row and its proof, compared.

The one rule: nothing is believed but the key; what the proof says is computed here as a third party would.
"""

from dataclasses import dataclass
from hashlib import sha256

from earshot.errors import BadInput
from earshot.ledger.checkpoint import LogKey
from earshot.ledger.proof import Proof, Proven, proven
from earshot.ports import RecordingRow, Storage
from earshot.vault import VaultError


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was found: `problem` is a sentence, empty when the recording is unaltered. `media` is the SHA-256 of what
    lies in the storage, empty when nothing does; `shown` what the proof shows, if it shows anything."""

    problem: str
    media: str
    proof: Proof
    shown: Proven | None


async def media_sha256(storage: Storage, name: str) -> str:
    """The SHA-256 of an object, hexadecimal, of its plain bytes; empty if there is none. Raises VaultError."""
    digest = sha256()
    try:
        async for chunk in storage.read(name):
            digest.update(chunk)
    except FileNotFoundError:
        return ""
    return digest.hexdigest()


async def verified(proof: Proof, key: LogKey, row: RecordingRow | None, storage: Storage) -> Verified:
    """Compare a recording (None: there is no row of it) with its proof."""
    try:
        media = await media_sha256(storage, row.sealed.object_name) if row is not None else ""
    except VaultError as why:
        return Verified(problem=f"its media cannot be read: {why}", media="", proof=proof, shown=None)
    try:
        shown = proven(proof, key)
    except BadInput as wrong:
        return Verified(problem=str(wrong), media=media, proof=proof, shown=None)
    return Verified(problem=_problem(shown, row, media), media=media, proof=proof, shown=shown)


def _problem(shown: Proven, row: RecordingRow | None, media: str) -> str:
    if row is None:
        return "" if shown.deleted else "the recording is gone, and the log knows of no deletion"
    if not media:
        return "its media is missing"
    if media != shown.sha256:
        return "its media was altered: its SHA-256 is not the one that was logged"
    if row.sealed.audio_sha256 != shown.sha256:
        return "its row was altered: the SHA-256 in it is not the one that was logged"
    return ""
