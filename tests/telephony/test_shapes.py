"""Every shape of signalling that session recording clients are known to send, played as a transcript."""

from pathlib import Path

import pytest
from tests.telephony.transcript import play

HERE = Path(__file__).parent
TRANSCRIPTS = sorted([*(HERE / "shapes").glob("*.txt"), *(HERE / "torture").glob("*.txt")])


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_transcript(path: Path) -> None:
    assert play(path) > 0
