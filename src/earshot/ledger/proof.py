"""Proof bundles: all that somebody needs, beside the published key and the media, to see that a recording is unaltered.

A bundle holds every leaf about the recording with its path, and one signed checkpoint. docs/verify.md explains it byte
by byte. The one rule: nothing of a bundle is believed; what it says follows from the key that the verifier brings.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from earshot.errors import BadInput
from earshot.ledger.checkpoint import Checkpoint, LogKey
from earshot.ledger.leaves import DELETED, REWRITTEN, SEALED, Leaf
from earshot.ledger.tree import is_included, leaf_hash

FORMAT: Final = "earshot-proof/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenLeaf:
    """Leaf `number` of the log, counted from 0: its bytes, and its path to the root of the checkpoint."""

    number: int
    text: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A bundle. `note` is the signed checkpoint, `key` the one it was signed with, for convenience only."""

    record_id: int
    leaves: tuple[ProvenLeaf, ...]
    note: str
    key: LogKey

    def document(self) -> dict[str, Any]:
        """The bundle as JSON."""
        return {
            "format": FORMAT,
            "record_id": self.record_id,
            "origin": self.key.origin,
            "public_key": base64.b64encode(self.key.public).decode(),
            "checkpoint": self.note,
            "leaves": [
                {
                    "number": one.number,
                    "leaf": base64.b64encode(one.text).decode(),
                    "path": [step.hex() for step in one.path],
                }
                for one in self.leaves
            ],
        }

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """The bundle of this JSON. Raises BadInput."""
        try:
            if document["format"] != FORMAT:
                raise ValueError(f"its format is not {FORMAT}")
            leaves = tuple(
                ProvenLeaf(
                    number=int(one["number"]),
                    text=base64.b64decode(one["leaf"], validate=True),
                    path=tuple(bytes.fromhex(step) for step in one["path"]),
                )
                for one in document["leaves"]
            )
            key = LogKey(str(document["origin"]), base64.b64decode(document["public_key"], validate=True))
            return cls(record_id=int(document["record_id"]), leaves=leaves, note=str(document["checkpoint"]), key=key)
        except (LookupError, ValueError, TypeError) as why:
            raise BadInput(f"this is no proof: {why!r}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """What a proof shows: since `since_us` the media has this SHA-256, and of what leaves that follows."""

    checkpoint: Checkpoint
    leaves: tuple[Leaf, ...]
    sha256: str
    since_us: int
    deleted: bool


def proven(proof: Proof, key: LogKey) -> Proven:
    """What the bundle proves to somebody who trusts `key`. Raises BadInput, saying what does not fit."""
    checkpoint = key.opened(proof.note)
    leaves: list[Leaf] = []
    last = -1
    for one in proof.leaves:
        if one.number <= last:
            raise BadInput("the leaves are not in the order of the log")
        last = one.number
        if not is_included(leaf_hash(one.text), one.number, checkpoint.size, one.path, checkpoint.root):
            raise BadInput(f"leaf {one.number} is not in the log of the checkpoint")
        leaves.append(Leaf.read(one.text))
    if any(leaf.subject != f"recording {proof.record_id}" for leaf in leaves):
        raise BadInput("a leaf is about something else")
    sha256, since_us = media_hash(leaves)
    deleted = any(leaf.kind == DELETED for leaf in leaves)
    return Proven(checkpoint=checkpoint, leaves=tuple(leaves), sha256=sha256, since_us=since_us, deleted=deleted)


def media_hash(leaves: Sequence[Leaf]) -> tuple[str, int]:
    """The SHA-256 that a recording's media must have by its leaves, in their order, and since when (microseconds since
    the Unix epoch). Raises BadInput when they do not say."""
    found, since_us = "", 0
    for leaf in leaves:
        if leaf.kind == SEALED:
            if found:
                raise BadInput(f"{leaf.subject} was logged as sealed twice")
            found, since_us = str(leaf.body.get("sha256", "")), leaf.at_us
        elif leaf.kind == REWRITTEN:
            if leaf.body.get("sha256_before") != found:
                raise BadInput(f"{leaf.subject} was rewritten from media that the log does not know")
            found, since_us = str(leaf.body.get("sha256", "")), leaf.at_us
    if not found:
        raise BadInput("no leaf says what the media was")
    return found, since_us
