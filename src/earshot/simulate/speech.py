"""The conversations that simulated calls hold: their samples, who speaks, and when.

What lives here: loading of the samples in the folder beside this module. What does not: how they were made
(`tools/make_speech.py`) and how they are encoded for the wire (`earshot.simulate.codecs`). The one rule: every track
of a conversation is 8 kHz mono int16, equally long, and a whole number of 20 ms frames.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

RATE = 8_000
FRAME_SAMPLES = 160
AGENT = "agent"
CUSTOMER = "customer"
MIXED = "mixed"
PARTIES = (AGENT, CUSTOMER, MIXED)

Samples = NDArray[np.int16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One sentence: `party` says `text` from `start_s` to `end_s`. `secret` is a number in it that must not be kept."""

    party: str
    start_s: float
    end_s: float
    text: str
    secret: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A conversation of an agent and a customer; `samples` is its length at 8 kHz."""

    name: str
    topic: str
    samples: int
    agent_name: str
    customer_name: str
    files: tuple[tuple[str, str], ...]
    turns: tuple[Turn, ...]

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.samples / RATE


@cache
def conversations() -> tuple[Conversation, ...]:
    """All conversations, in the order of the manifest."""
    manifest: Mapping[str, Any] = json.loads(_folder().joinpath("manifest.json").read_text(encoding="utf-8"))
    return tuple(_conversation(entry) for entry in manifest["conversations"])


@cache
def conversation(name: str) -> Conversation:
    """The conversation called `name`. Raises KeyError."""
    found = {item.name: item for item in conversations()}
    return found[name]


@cache
def track(name: str, party: str) -> Samples:
    """What `party` (agent, customer, or mixed: both) says in conversation `name`; read-only. Raises KeyError."""
    wanted = conversation(name)
    if party == MIXED:
        both = track(name, AGENT).astype(np.int32) + track(name, CUSTOMER)
        mixed: Samples = np.clip(both, -32_768, 32_767).astype(np.int16)
    else:
        mixed = _decoded(dict(wanted.files)[party], wanted.samples)
    mixed.flags.writeable = False
    return mixed


def _conversation(entry: Mapping[str, Any]) -> Conversation:
    return Conversation(
        name=entry["name"],
        topic=entry["topic"],
        samples=entry["samples"],
        agent_name=entry[AGENT]["name"],
        customer_name=entry[CUSTOMER]["name"],
        files=tuple((party, entry[party]["file"]) for party in (AGENT, CUSTOMER)),
        turns=tuple(Turn(**turn) for turn in entry["turns"]),
    )


def _decoded(file: str, samples: int) -> Samples:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with _folder().joinpath(file).open("rb") as stream, av.open(stream) as container:
        pieces = [piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
    pieces.extend(resampler.resample(None))
    sound = np.concatenate([piece.to_ndarray()[0] for piece in pieces])
    exact = np.zeros(samples, np.int16)
    exact[: min(samples, len(sound))] = sound[:samples]
    return exact


def _folder() -> Any:
    return resources.files("earshot.simulate").joinpath("speech")
