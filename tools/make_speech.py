"""Make the speech samples of the simulated phone system: `python tools/make_speech.py`.

What lives here: the texts of a few contact-centre conversations, written for this project (no real people, numbers or
data; the card number is the well-known test number), who speaks them, and how they become sound. What does not: how
the samples are loaded and sent (`earshot.simulate.speech`, `earshot.simulate.codecs`). The one rule: whatever lies in
`src/earshot/simulate/speech/` came out of this script and can be made again by it.

Every sentence is spoken by Debian's espeak-ng (needed on the PATH), brought to 8 kHz and to one loudness, and laid on
the timeline of its own party; the other party's track is silent meanwhile. Each track is one Ogg Opus file, and
`manifest.json` says who says what, and when.
"""

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

TARGET = Path(__file__).resolve().parents[1] / "src" / "earshot" / "simulate" / "speech"
RATE = 8_000
FRAME = 160
LEAD_IN_S = 0.4
PAUSE_S = 0.35
TAIL_S = 0.6
LOUDNESS = 3_200.0  # RMS of the voiced samples, in int16 units
BIT_RATE = 16_000


@dataclass(frozen=True)
class Voice:
    """A speaker: espeak-ng voice and variant, words per minute, pitch 0 to 99."""

    name: str
    voice: str
    speed: int
    pitch: int


@dataclass(frozen=True)
class Script:
    """A conversation: the lines alternate, the agent begins."""

    name: str
    topic: str
    agent: Voice
    customer: Voice
    lines: tuple[str, ...]


SCRIPTS = (
    Script(
        name="order-status",
        topic="Order status",
        agent=Voice("Sally Smith", "en-us+f3", 165, 62),
        customer=Voice("Arthur Pelham", "en-gb+m7", 150, 22),
        lines=(
            "Good morning, garden furniture direct, Sally speaking. How can I help you?",
            "Good morning. I ordered a wooden bench two weeks ago, and it has not arrived.",
            "I am sorry to hear that. Could you tell me the order number, please?",
            "Certainly. It is seven, four, four, one, nine.",
            "Thank you. I see the bench left our warehouse yesterday, and will be with you on Thursday.",
            "Thursday is fine. Will the driver ring me before he comes?",
            "Yes, about half an hour before. Is there anything else I can do for you?",
            "No, that was all. Thank you very much. Goodbye.",
        ),
    ),
    Script(
        name="password-reset",
        topic="Password reset",
        agent=Voice("Tom Becker", "en-us+m3", 175, 40),
        customer=Voice("Nina Okafor", "en-gb-scotland+f2", 160, 75),
        lines=(
            "Service desk, this is Tom. What can I do for you?",
            "Hello Tom. I came back from my holiday, and now the computer does not like my password.",
            "That happens every Monday. What is your user name?",
            "It is N, Okafor, with a k.",
            "I have sent a link to your mobile phone. Please open it and choose a new password.",
            "One moment. Yes, there it is. It wants twelve letters. That is a lot.",
            "Take three words that have nothing to do with each other, that is easy to remember.",
            "Done, and I am in. You saved my morning. Bye bye.",
        ),
    ),
    Script(
        name="appointment",
        topic="Appointment",
        agent=Voice("Priya Raman", "en-gb+f4", 158, 48),
        customer=Voice("Bill Hanson", "en-us+m2", 185, 12),
        lines=(
            "Riverside dental practice, Priya speaking.",
            "Hi, Bill Hanson here. I need to move my appointment, I have to be at the airport that day.",
            "Of course, Mister Hanson. That is the one on the third of May, at nine?",
            "Right, that one. Anything in the week after?",
            "I can offer Tuesday at a quarter past two, or Friday at eight.",
            "Friday at eight. The early bird catches the dentist.",
            "Then Friday the eleventh, at eight o'clock. We will send you a message the day before.",
            "Great, see you then.",
        ),
    ),
    Script(
        name="complaint",
        topic="Complaint",
        agent=Voice("Oliver Grant", "en-gb-x-rp+m4", 150, 55),
        customer=Voice("Margaret Doyle", "en-us+f5", 195, 85),
        lines=(
            "Customer relations, you are speaking with Oliver.",
            "This is the third time I am calling. My internet has been down since Sunday, and nobody rings me back!",
            "I am very sorry, that should not happen. May I have the ticket number?",
            "I have two of them. Five, five, zero, one, and five, five, six, eight.",
            "Thank you. A cable in your street was cut, and it is being repaired this afternoon.",
            "This afternoon? That is what they told me on Monday!",
            "I understand. I will credit the whole week, and I will call you myself at six o'clock tonight.",
            "Fine. At six. I will be waiting for that call.",
        ),
    ),
    Script(
        name="card-payment",
        topic="Card payment",
        agent=Voice("Grace Lim", "en-us+f1", 160, 35),
        customer=Voice("Victor Stone", "en-gb+m1", 145, 60),
        lines=(
            "Lakeside theatre box office, Grace here.",
            "Hello. Two tickets for Saturday night, please, somewhere in the middle.",
            "Row F, seats eleven and twelve. That makes sixty four dollars. How would you like to pay?",
            "By card. The number is: four one one one. One one one one. One one one one. One one one one.",
            "Thank you. And the expiry date?",
            "December, twenty thirty.",
            "Wonderful, that went through. The tickets are waiting at the door.",
            "Lovely. We are looking forward to it.",
        ),
    ),
)
CARD_LINE = "four one one one"
CARD_TEXT = "4111 1111 1111 1111"


def spoken(voice: Voice, text: str, folder: Path) -> NDArray[np.float64]:
    """One sentence as 8 kHz samples, silence at both ends cut off."""
    wav = folder / "sentence.wav"
    command = ["espeak-ng", "-v", voice.voice, "-s", str(voice.speed), "-p", str(voice.pitch), "-w", str(wav), text]
    subprocess.run(command, check=True)
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(str(wav)) as container:
        frames = [piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
    frames.extend(resampler.resample(None))
    samples = np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.float64)
    loud = np.flatnonzero(np.abs(samples) > 60)
    return samples[loud[0] : loud[-1] + 1]


def levelled(samples: NDArray[np.float64]) -> NDArray[np.int16]:
    """The samples at the common loudness, peaks limited softly."""
    voiced = samples[np.abs(samples) > 200]
    scaled = samples * (LOUDNESS / np.sqrt(np.mean(voiced**2)))
    return np.asarray(np.tanh(scaled / 24_000) * 24_000, dtype=np.int16)


def timeline(script: Script, folder: Path) -> tuple[dict[str, NDArray[np.int16]], list[dict[str, object]]]:
    """Both tracks, equally long and a whole number of 20 ms frames, and the turns of the manifest."""
    turns: list[dict[str, object]] = []
    pieces: list[tuple[str, int, NDArray[np.int16]]] = []
    at = int(LEAD_IN_S * RATE)
    for number, text in enumerate(script.lines):
        party = ("agent", "customer")[number % 2]
        sound = levelled(spoken(script.agent if party == "agent" else script.customer, text, folder))
        pieces.append((party, at, sound))
        turn: dict[str, object] = {
            "party": party,
            "start_s": round(at / RATE, 3),
            "end_s": round((at + len(sound)) / RATE, 3),
            "text": text,
        }
        if CARD_LINE in text:
            turn["secret"] = CARD_TEXT
        turns.append(turn)
        at += len(sound) + int(PAUSE_S * RATE)
    length = -(-(at + int(TAIL_S * RATE)) // FRAME) * FRAME
    tracks = {party: np.zeros(length, np.int16) for party in ("agent", "customer")}
    for party, start, sound in pieces:
        tracks[party][start : start + len(sound)] = sound
    return tracks, turns


def write_opus(path: Path, samples: NDArray[np.int16]) -> None:
    """One mono Ogg Opus file; the same samples give the same bytes."""
    with av.open(str(path), "w", format="ogg", container_options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libopus", rate=RATE, options={"application": "voip", "vbr": "on"})
        stream.bit_rate = BIT_RATE
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis, :], format="s16", layout="mono")
        frame.sample_rate = RATE
        frame.pts = 0
        fifo = av.AudioFifo()
        fifo.write(frame)
        for piece in fifo.read_many(FRAME):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))


def main() -> None:
    """Make every track and the manifest."""
    TARGET.mkdir(parents=True, exist_ok=True)
    conversations = []
    for script in SCRIPTS:
        with tempfile.TemporaryDirectory() as folder:
            tracks, turns = timeline(script, Path(folder))
        entry: dict[str, object] = {
            "name": script.name,
            "topic": script.topic,
            "samples": len(tracks["agent"]),
            "agent": {"name": script.agent.name, "file": f"{script.name}-agent.opus"},
            "customer": {"name": script.customer.name, "file": f"{script.name}-customer.opus"},
            "turns": turns,
        }
        for party, samples in tracks.items():
            write_opus(TARGET / f"{script.name}-{party}.opus", samples)
        conversations.append(entry)
    text = json.dumps({"rate": RATE, "conversations": conversations}, indent=1)
    (TARGET / "manifest.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
