"""The verifier that docs/verify.md prints works, and is not fooled."""

import base64
import json
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from earshot.api.ledger import proof_of
from earshot.ledger.checkpoint import Signer
from earshot.ledger.leaves import Leaf
from earshot.storage.memory_leaf_log import MemoryLeafLog

PAGE = Path(__file__).resolve().parents[2] / "docs" / "verify.md"
SIGNER = Signer("recorder.example/log", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
MEDIA = b"sound with a blackout"


async def test_the_printed_verifier(tmp_path: Path) -> None:
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None and len(found[1].splitlines()) <= 45
    (tmp_path / "verifier.py").write_text(found[1])
    leaves = MemoryLeafLog()
    before, after = sha256(b"sound").hexdigest(), sha256(MEDIA).hexdigest()
    others = [Leaf(kind="audit", subject="x", key=f"{number}") for number in range(6)]
    sealed = Leaf(kind="sealed", subject="recording 17", key="a", row=17, body={"sha256": before})
    body = {"sha256_before": before, "sha256": after}
    await leaves.append(
        [*others[:3], sealed, *others[3:], Leaf(kind="rewritten", subject="recording 17", key="b", body=body)]
    )
    note = SIGNER.note(8, await leaves.root(8), 1_700_000_000_000_000)
    bundle = (await proof_of(leaves, note, SIGNER.key, 17)).document()

    def run(document: object, media: bytes, key: bytes) -> tuple[int, str]:
        (tmp_path / "proof.json").write_text(json.dumps(document))
        (tmp_path / "media.wav").write_bytes(media)
        command = [sys.executable, "verifier.py", "proof.json", "media.wav", base64.b64encode(key).decode()]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    assert run(bundle, MEDIA, SIGNER.key.public) == (0, "unaltered; log recorder.example/log at 8 leaves\n")
    status, told = run(bundle, MEDIA + b"!", SIGNER.key.public)
    assert status and "the media was altered" in told
    status, told = run(bundle, MEDIA, bytes(32))
    assert status and "another key" in told
    status, told = run(bundle | {"leaves": bundle["leaves"][1:]}, MEDIA, SIGNER.key.public)
    assert status and "rewritten from something else" in told
    spoilt = [bundle["leaves"][0] | {"number": 2}, bundle["leaves"][1]]
    status, told = run(bundle | {"leaves": spoilt}, MEDIA, SIGNER.key.public)
    assert status and "not in the log" in told


@pytest.mark.parametrize("page", ["verify.md", "vcon.md"])
def test_lines_are_not_endless(page: str) -> None:
    assert max(map(len, (PAGE.parent / page).read_text().splitlines())) <= 160
