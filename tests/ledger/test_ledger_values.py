"""Leaves, checkpoints and bundles: one way to write each, and nothing else is read."""

import base64
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from earshot.errors import BadInput
from earshot.ledger import tree
from earshot.ledger.checkpoint import Checkpoint, LogKey, Signer
from earshot.ledger.leaves import LARGEST, Leaf, canonical, key_of
from earshot.ledger.proof import Proof, ProvenLeaf, proven

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-LARGEST, LARGEST) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
NOON_US = 1_700_000_000_123_456
PLAIN = Leaf(kind="k", subject="s", key="k")


@given(st.dictionaries(TEXTS, VALUES, max_size=5))
def test_a_leaf_is_read_back_and_written_in_one_way(body: dict[str, Any]) -> None:
    leaf = Leaf(kind="sealed", subject="recording 1", key="k", row=1, at_us=NOON_US, body=body)
    assert Leaf.read(leaf.text()) == leaf
    shuffled = dict(reversed(list(body.items())))
    assert replace(leaf, body=shuffled).text() == leaf.text()
    assert key_of("a", "b", shuffled) == key_of("a", "b", body)


def test_canonical_text() -> None:
    found = canonical({"b": [1, True, None], "a": 'é\n"', "\ufb33": 1, "\U0001f600": 2})
    assert found == '{"a":"é\\n\\"","b":[1,true,null],"\U0001f600":2,"\ufb33":1}'.encode()


@pytest.mark.parametrize("value", [1.5, {1: 2}, {"a": float("nan")}, 2**53, b"x", "\ud800", {"\ud800": 1}])
def test_what_no_leaf_holds(value: Any) -> None:
    with pytest.raises(ValueError, match=r"leaf|larger"):
        canonical(value)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b'{"v":1}',
        b"[" * 100_000,
        PLAIN.text() + b" ",
        b'{"v":2,' + PLAIN.text()[1:],
    ],
)
def test_what_is_no_leaf(text: bytes) -> None:
    with pytest.raises(BadInput):
        Leaf.read(text)


@pytest.fixture
def signer() -> Signer:
    return Signer("recorder.example/log", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


def test_a_checkpoint_reads_as_c2sp_says(signer: Signer) -> None:
    note = signer.note(5, bytes(32), NOON_US)
    origin, size, root, time, blank, signature = note.splitlines()
    assert (origin, size, time, blank) == ("recorder.example/log", "5", "time 2023-11-14T22:13:20.123456Z", "")
    assert base64.b64decode(root) == bytes(32)
    assert signature.startswith("— recorder.example/log ")
    assert signer.key.opened(note) == Checkpoint(origin=origin, size=5, root=bytes(32), at_us=NOON_US)
    name, ident, key = signer.key.verifier.split("+", 2)
    assert (name, ident) == (origin, signer.key.ident.hex())
    assert base64.b64decode(key)[0] == 1


@given(st.data())
def test_any_altered_letter_of_a_checkpoint_is_seen(data: st.DataObject) -> None:
    signer = Signer("recorder.example/log", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
    note = signer.note(5, bytes(range(32)), NOON_US)
    place = data.draw(st.integers(0, len(note) - 2))
    letter = data.draw(st.characters(codec="utf-8").filter(lambda one: one != note[place]))
    with pytest.raises(BadInput):
        signer.key.opened(note[:place] + letter + note[place + 1 :])


def test_another_key_or_name_opens_nothing(signer: Signer) -> None:
    note = signer.note(5, bytes(32), NOON_US)
    for key in (LogKey("other", signer.key.public), LogKey(signer.origin, bytes(32))):
        with pytest.raises(BadInput):
            key.opened(note)


def a_proof(signer: Signer, *leaves: Leaf) -> Proof:
    texts = [leaf.text() for leaf in leaves]
    nodes: list[bytes] = []
    for number, text in enumerate(texts):
        nodes += tree.new_nodes(number, tree.leaf_hash(text), nodes.__getitem__)
    size = len(texts)
    made = tuple(
        ProvenLeaf(number=number, text=text, path=tuple(tree.inclusion_proof(number, size, nodes.__getitem__)))
        for number, text in enumerate(texts)
        if leaves[number].subject == "recording 1"
    )
    return Proof(
        record_id=1, leaves=made, note=signer.note(size, tree.root(size, nodes.__getitem__), NOON_US), key=signer.key
    )


def sealed(sha: str = "aa", **more: Any) -> Leaf:
    given_: dict[str, Any] = {"kind": "sealed", "subject": "recording 1", "key": "recording/x", "at_us": 7}
    return Leaf(**given_ | more, body={"sha256": sha})


def rewritten(before: str, after: str) -> Leaf:
    body = {"sha256_before": before, "sha256": after, "reason": "blackout"}
    return Leaf(kind="rewritten", subject="recording 1", key=f"rewritten/{after}", at_us=9, body=body)


def test_a_bundle_proves_the_hash_of_the_last_rewriting(signer: Signer) -> None:
    proof = a_proof(signer, Leaf(kind="audit", subject="x", key="1"), sealed(), rewritten("aa", "bb"))
    assert Proof.read(proof.document()) == proof
    shown = proven(proof, signer.key)
    assert (shown.sha256, shown.since_us, shown.deleted) == ("bb", 9, False)
    assert shown.checkpoint.size == 3


@pytest.mark.parametrize(
    "leaves",
    [
        [sealed(), rewritten("xx", "bb")],
        [rewritten("aa", "bb")],
        [sealed(), sealed("bb", key="recording/y")],
    ],
)
def test_leaves_that_contradict_each_other_prove_nothing(signer: Signer, leaves: list[Leaf]) -> None:
    with pytest.raises(BadInput):
        proven(a_proof(signer, *leaves), signer.key)


def test_a_spoilt_bundle_proves_nothing(signer: Signer) -> None:
    proof = a_proof(signer, sealed(), rewritten("aa", "bb"))
    first, second = proof.leaves
    spoilt = [
        replace(proof, leaves=(second, first)),
        replace(proof, leaves=(replace(first, text=sealed("cc").text()), second)),
        replace(proof, leaves=(replace(first, number=1), second)),
        replace(proof, record_id=2),
        replace(proof, leaves=(second,)),
        replace(proof, leaves=()),
    ]
    for one in spoilt:
        with pytest.raises(BadInput):
            proven(one, signer.key)
    for document in ({}, {"format": "earshot-proof/1"}, proof.document() | {"leaves": [{"number": "x"}]}):
        with pytest.raises(BadInput):
            Proof.read(document)
