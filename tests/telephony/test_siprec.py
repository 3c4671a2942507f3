"""Recording metadata: what is read of a document, what is refused, and how partial ones are merged."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.telephony.cisco import metadata_in_headers
from earshot.telephony.identify import identify, number_of
from earshot.telephony.recording_metadata import Participant, merge
from earshot.telephony.recording_session import CallFacts
from earshot.telephony.sip.message import Headers
from earshot.telephony.siprec import BadMetadata, parse_metadata

NS = 'xmlns="urn:ietf:params:xml:ns:recording:1"'


@given(st.one_of(st.binary(max_size=200), st.text("<>/recodingparcpt =\"'&;aid!-?", max_size=120).map(str.encode)))
def test_only_bad_metadata_is_raised(document: bytes) -> None:
    try:
        parse_metadata(document)
    except BadMetadata:
        pass


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"hello",
        b"<a/>",
        b"<!-- only a comment -->",
        b'<!DOCTYPE recording SYSTEM "http://192.0.2.1/x.dtd"><recording/>',
        b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><recording>&x;</recording>',
        b"<recording>" + b" " * (1024 * 1024) + b"</recording>",
    ],
)
def test_what_is_refused(document: bytes) -> None:
    with pytest.raises(BadMetadata):
        parse_metadata(document)


@pytest.mark.parametrize("prefix", ["", "rec:"])
def test_prefixes_and_case_do_not_matter(prefix: str) -> None:
    scope = f'xmlns{":rec" if prefix else ""}="urn:ietf:params:xml:ns:recording:1"'
    document = (
        f"<{prefix}recording {scope}><{prefix}dataMode>Partial</{prefix}dataMode>"
        f'<{prefix}participant participant_id="p"><{prefix}NameID aor="sip:1@x"/></{prefix}participant>'
        f"</{prefix}recording>"
    )
    known = parse_metadata(document.encode())
    assert known.data_mode == "partial" and known.participants == (Participant("p", "sip:1@x"),)
    assert known.namespace == "urn:ietf:params:xml:ns:recording:1"


def test_the_document_is_kept_as_it_came() -> None:
    document = f"\r\n<recording {NS}><unknown>x</unknown></recording>\r\n".encode()
    assert parse_metadata(document).raw == document


def test_latin_1_and_bare_ampersands_are_read() -> None:
    document = b'<recording><participant id="p"><name>J\xfcrgen & Co</name></participant></recording>'
    assert parse_metadata(document).participants[0].name.startswith("J\xfcrgen")


def test_empty_ids_do_not_swallow_each_other() -> None:
    known = parse_metadata(
        b'<recording><participant id=""><aor>sip:1@x</aor></participant>'
        b'<participant id=""><aor>sip:2@x</aor></participant></recording>'
    )
    assert [item.aor for item in known.participants] == ["sip:1@x", "sip:2@x"]


def test_partial_documents_change_by_id_and_complete_ones_replace() -> None:
    old = parse_metadata(
        b'<recording><participant id="a"><nameID aor="sip:1@x"><name>A</name></nameID></participant>'
        b'<participant id="b"><nameID aor="sip:2@x"/></participant><stream id="s"><label>1</label></stream>'
        b"<x:userID xmlns:x='v'>u7</x:userID></recording>"
    )
    part = parse_metadata(
        b'<recording><datamode>partial</datamode><participant id="a"><nameID aor="sip:9@x"/></participant>'
        b'<stream id="s"><label>2</label></stream></recording>'
    )
    known = merge(old, part)
    assert [(item.id, item.aor, item.name) for item in known.participants] == [
        ("a", "sip:9@x", "A"),
        ("b", "sip:2@x", ""),
    ]
    assert [item.label for item in known.streams] == ["2"]
    whole = merge(known, parse_metadata(b'<recording><participant id="c"/></recording>'))
    assert [item.id for item in whole.participants] == ["c"] and whole.vendor["userID"] == "u7"


def test_headers_without_facts_give_nothing() -> None:
    assert metadata_in_headers(Headers([("From", "<sip:a@b>;tag=1")])) is None
    assert metadata_in_headers(Headers([("From", "")])) is None


def test_bridge_parameters_may_stand_behind_the_uri() -> None:
    known = metadata_in_headers(Headers([("From", "<sip:2000@u>;x-farend;x-refci=7;x-farendaddr=1000;tag=1")]))
    assert known is not None and (known.end, known.link_id) == ("far", "refci::7")
    assert [item.aor for item in known.participants] == ["sip:2000@u", "sip:1000@u"]


@pytest.mark.parametrize(
    ("aor", "number"),
    [
        ("sip:1001@pbx", "1001"),
        ("sips:%2B4930123;phone-context=x@pbx", "4930123"),
        ("tel:+1-212-555-0199;ext=1", "12125550199"),
        ("sip:alice@pbx:5060;user=phone", "alice"),
        ("sip:alice.b-c@pbx", "alice.b-c"),
        ("sip:pbx.example", "pbx.example"),
        ("1001", "1001"),
        ("*72", "*72"),
        ("", ""),
    ],
)
def test_numbers(aor: str, number: str) -> None:
    assert number_of(aor) == number


A, B = Participant("a", "sip:5550100@x"), Participant("b", "sip:1002@x")


def nobody(_: str) -> bool:
    return False


@pytest.mark.parametrize(
    ("facts", "known", "expected"),
    [
        (CallFacts(), "", ("1002", "5550100", "1002", "", "pattern")),
        (CallFacts(), "5550100", ("5550100", "5550100", "1002", "", "known")),
        (CallFacts(caller=0), "", ("1002", "5550100", "1002", "I", "pattern")),
        (CallFacts(caller=1), "", ("1002", "1002", "5550100", "O", "pattern")),
        (CallFacts(vendor={"callType": "origCall"}), "", ("1002", "1002", "5550100", "O", "pattern")),
        (CallFacts(vendor={"recordedParty": "a"}), "", ("5550100", "5550100", "1002", "", "recorded_party")),
        (CallFacts(ani="+5550100", dnis="800"), "", ("1002", "5550100", "800", "I", "pattern")),
        (CallFacts(ours=0), "1002", ("5550100", "5550100", "1002", "", "signalled")),
    ],
)
def test_who_is_ours(facts: CallFacts, known: str, expected: tuple[str, str, str, str, str]) -> None:
    found = identify((A, B), facts, lambda number: number == known)
    assert (found.device, found.ani, found.dnis, found.direction, found.how) == expected


def test_nobody_matches_and_nobody_is_there() -> None:
    assert identify((A,), CallFacts(), nobody).how == "first"
    assert identify((A,), CallFacts(), nobody, re.compile(r"555\d+")).how == "pattern"
    assert identify((), CallFacts(ani="7"), nobody).index is None
