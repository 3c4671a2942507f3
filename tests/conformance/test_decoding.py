"""Every request example of the specification decodes, however its bytes arrive; every reply example can be written."""

from urllib.parse import urlencode

import pytest
from tests.conformance.cases import Case, all_cases, differences

from earshot.protocol.commands import COMMANDS
from earshot.protocol.decode import Request, decode_query, decode_xml
from earshot.protocol.framing import Frame, FrameReader
from earshot.protocol.results import CODES, Node, Result
from earshot.protocol.xml import parse, read_result, write

ALL = all_cases()
DOCUMENTS = [case for case in ALL if not case.is_url]
STANDARD_TAGS = ("REQUESTTYPE", "TYPE", "REQUESTID", "RESULTTYPE", "RESULTCODE", "RESULTMSG")


def named(case: Case) -> str:
    return case.name


def check(case: Case, got: Request | Result) -> None:
    if case.refused:
        assert isinstance(got, Result) and case.reply is not None
        assert differences(case.reply, read_result(write(got)), case) == []
        return
    assert isinstance(got, Request), got
    assert got.command.name == case.command
    assert dict(got.params) == case.params


def framed(chunks: list[bytes]) -> list[Frame]:
    reader = FrameReader()
    frames = [frame for chunk in chunks for frame in reader.feed(chunk)]
    assert not reader.pending
    return [frame for frame in frames if isinstance(frame, bytes)]


def test_there_is_a_case_for_every_command() -> None:
    assert {case.command for case in ALL} == COMMANDS.keys()


@pytest.mark.parametrize("case", DOCUMENTS, ids=named)
def test_a_document_decodes_whole_and_byte_by_byte(case: Case) -> None:
    (whole,) = framed([case.document])
    assert whole == case.document.strip()
    check(case, decode_xml(whole, "tcp"))
    assert framed([bytes([byte]) for byte in case.document]) == [whole]


def test_all_documents_decode_when_they_are_glued_together() -> None:
    for gap in (b"", b"\r\n", b"\0"):
        frames = framed([gap.join(case.document.strip() for case in DOCUMENTS)])
        assert len(frames) == len(DOCUMENTS)
        for case, frame in zip(DOCUMENTS, frames, strict=True):
            check(case, decode_xml(frame, "tcp"))


@pytest.mark.parametrize("case", ALL, ids=named)
def test_a_request_decodes_as_a_query_as_well(case: Case) -> None:
    query = case.query if case.is_url else urlencode([(tag.lower(), text) for tag, text in parse(case.document)[1]])
    check(case, decode_query(query, "http"))


@pytest.mark.parametrize("case", ALL, ids=named)
def test_a_case_agrees_with_the_command_table(case: Case) -> None:
    command = COMMANDS[case.command]
    assert case.doors == (("http",) if case.is_url else command.doors)
    assert case.later is not command.done


@pytest.mark.parametrize("case", [case for case in ALL if case.reply is not None], ids=named)
def test_a_reply_is_written_as_the_case_shows_it(case: Case) -> None:
    assert case.reply is not None
    _, children = case.reply
    assert not isinstance(children, str)
    head = {tag: text for tag, text in children[:5] if isinstance(text, str)}
    label = head["RESULTTYPE"]
    message = head["RESULTMSG"]
    body: tuple[Node, ...] = tuple(node for node in children if node[0] not in STANDARD_TAGS)
    command = head.get("REQUESTTYPE") or head["TYPE"]
    written = write(Result(command, head["REQUESTID"], label, message, body))
    assert written.endswith(b"</RESULT>\r\n")
    assert written.count(b"\n") == 1
    assert differences(case.reply, read_result(written), case) == []
    assert head["RESULTCODE"] == str(CODES[label])
