"""XML in and out: what is repaired, what is refused, what is written."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from earshot.errors import BadInput
from earshot.protocol.dialect import Dialect
from earshot.protocol.results import CODES, Node, Result
from earshot.protocol.xml import escape, parse, read_result, write, write_request

NAMES = st.from_regex(r"[A-Z][A-Z0-9_]{0,10}", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"))
RESULT = Result("CALLSTART", "7", "API_OK", "done")


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        (b"<A>1</A>", "1"),
        (b"<A></A>", ""),
        (b"<A/>", ""),
        (b"<A>Sales & Marketing</A>", "Sales & Marketing"),
        (b"<A>Sales &amp; Marketing</A>", "Sales & Marketing"),
        (b"<A>a && b &</A>", "a && b &"),
        (b"<A>R&D &#65;&#x42; &lt;x&gt;</A>", "R&D AB <x>"),
        (b"<A><![CDATA[<b> & ]]>c</A>", "<b> & c"),
        (b"<A><![CDATA[a & b]]> & c</A>", "a & b & c"),
        (b"<A>1<!-- & -->2</A>", "12"),
        (b"<A>1<B>2</B>3</A>", "123"),
        (b"<A>x\x01\x02y</A>", "xy"),
        (b"<A>x&#1;y & z</A>", "xy & z"),
        (b"<A>caf\xe9</A>", "café"),
        ("<A>café</A>".encode(), "café"),
        (b'<A x="1">1</A>', "1"),
    ],
)
def test_values_are_read(inner: bytes, expected: str) -> None:
    root, pairs = parse(b"<REQUEST>" + inner + b"</REQUEST>")
    assert root == "REQUEST"
    assert pairs == [("A", expected)]


@pytest.mark.parametrize(
    "document",
    [
        b"\xef\xbb\xbf<R><A>\xc3\xa9</A></R>",
        b'<?xml version="1.0" encoding="UTF-16"?><R><A>\xc3\xa9</A></R>',
        b'<?xml version="1.0" encoding="iso-8859-1"?>\r\n<R><A>\xe9</A></R>',
        b'\xef\xbb\xbf\r\n<?xml version="1.0"?><!-- hi --><R>\n <A>\xc3\xa9</A>\n</R>\0',
        '<?xml version="1.0" encoding="utf-16"?><R><A>é</A></R>'.encode("utf-16"),
        b'<R xmlns="urn:x"><A>\xe9</A></R>',
    ],
)
def test_declarations_marks_and_encodings_are_tolerated(document: bytes) -> None:
    assert parse(document) == ("R", [("A", "é")])


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"text",
        b"<R>",
        b"<R></Q>",
        b"<R><A></R>",
        b"<!DOCTYPE R><R><A>1</A></R>",
        b'<!DOCTYPE R [<!ENTITY a "b">]><R><A>&a;</A></R>',
        b'<!DOCTYPE R SYSTEM "file:///etc/passwd"><R/>',
        b'<R><!ENTITY a "b"><A>1</A></R>',
        b"<!doctype R><R/>",
        b"<R><A>&undefined;</A></R>",
        b"<R><![CDATA[</R>",
        b"<R/><R/>",
        b"<a>" * 1000 + b"</a>" * 1000,
    ],
)
def test_what_cannot_be_read_is_refused(document: bytes) -> None:
    with pytest.raises(BadInput):
        parse(document)


def test_a_document_type_inside_cdata_is_text() -> None:
    assert parse(b"<R><A><![CDATA[<!DOCTYPE x>]]></A></R>") == ("R", [("A", "<!DOCTYPE x>")])


@given(st.binary(max_size=200) | st.lists(st.sampled_from(
    [b"<R>", b"</R>", b"<A>", b"</A>", b"&", b"&amp;", b"&#", b"&#1;", b"&#99999999;", b"<![CDATA[", b"]]>", b"<!--",
     b"-->", b"<!", b"<?xml", b"?>", b"\x00", b"\xff", b"\xff\xfe", b"x", b"<", b">"])).map(b"".join))  # fmt: skip
def test_reading_raises_nothing_but_its_own_error(data: bytes) -> None:
    for read in (parse, read_result):
        try:
            read(data)
        except BadInput as error:
            assert str(error)


@given(
    st.lists(st.sampled_from(["<A>", "</A>", "<B>", "</B>", " ", "\n", "x", "1", ">", "é", "\t", "]]>"]), max_size=12)
)
def test_the_fast_path_reads_what_lxml_reads(pieces: list[str]) -> None:
    document = f"<R>{''.join(pieces)}</R>".encode()
    try:
        root = etree.fromstring(document)
    except etree.XMLSyntaxError:
        with pytest.raises(BadInput):
            parse(document)
    else:
        expected = [(str(child.tag), "".join(map(str, child.itertext()))) for child in root]
        assert parse(document) == ("R", expected)


@given(NAMES, TEXTS, st.lists(st.tuples(NAMES, TEXTS), max_size=6))
def test_a_request_that_is_written_is_read_back(command: str, request_id: str, params: list[tuple[str, str]]) -> None:
    document = write_request(command, request_id, params)
    assert document.endswith(b"\r\n")
    assert parse(document) == ("REQUEST", [("TYPE", command), ("REQUESTID", request_id), *params])


NODES: st.SearchStrategy[Node] = st.recursive(
    st.tuples(NAMES, TEXTS.map(str.strip)),
    lambda inner: st.tuples(NAMES, st.lists(inner, min_size=1, max_size=3).map(tuple)),
    max_leaves=8,
)


@given(st.sampled_from(sorted(CODES)), TEXTS.map(str.strip), st.lists(NODES, max_size=3).map(tuple))
def test_a_result_that_is_written_is_read_back(label: str, message: str, body: tuple[Node, ...]) -> None:
    written = write(Result("DEVICELIST", "1", label, message, body))
    assert written.count(b"\n") == 1
    assert read_result(written) == (
        "RESULT",
        (
            ("REQUESTTYPE", "DEVICELIST"),
            ("REQUESTID", "1"),
            ("RESULTTYPE", label),
            ("RESULTCODE", str(CODES[label])),
            ("RESULTMSG", message),
            *body,
        ),
    )


@given(st.text())
def test_escaped_text_is_one_line_of_safe_xml(text: str) -> None:
    assert re.fullmatch(r"[^<>\x00-\x08\x0a-\x1f]*", escape(text))
    read = etree.fromstring(f"<A>{escape(text)}</A>").text or ""
    assert read == re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]", "", text)


def test_an_empty_element_has_both_tags() -> None:
    written = write(Result("DEVICELIST", "1", "API_OK", "API_OK", (("DEVICE", (("ANI", ""),)), ("DEVICES", ()))))
    assert b"<DEVICE><ANI></ANI></DEVICE><DEVICES></DEVICES></RESULT>\r\n" in written


def test_the_head_follows_the_command() -> None:
    tail = b"<RESULTTYPE>API_OK</RESULTTYPE><RESULTCODE>20</RESULTCODE><RESULTMSG>m</RESULTMSG></RESULT>\r\n"
    heads = {
        "CALLSTART": b"<RESULT><REQUESTTYPE>CALLSTART</REQUESTTYPE><REQUESTID>1</REQUESTID>",
        "TEST": b"<RESULT><REQUESTID>1</REQUESTID><REQUESTTYPE>TEST</REQUESTTYPE>",
        "CALLLIST": b"<RESULT><TYPE>CALLLIST</TYPE><REQUESTID>1</REQUESTID>",
        "FETCHTERMINOLOGY": b"<RESULT><REQUESTTYPE>FETCHTERMINOLOGY</REQUESTTYPE><REQUESTID>1</REQUESTID>",
    }
    strict = Dialect(strict_legacy=True)
    for command, head in heads.items():
        result = Result(command, "1", "API_OK", "m")
        assert write(result) == head + tail
        bare = command in ("CALLLIST", "FETCHTERMINOLOGY")
        assert write(result, strict) == (head + b"</RESULT>\r\n" if bare else head + tail)
        assert b"<RESULTCODE>23<" in write(Result(command, "1", "API_DATABASE_QUERY_ERROR", "m"), strict)


def test_the_dialect_changes_errors_and_typos_and_channel_states() -> None:
    error = Result("CALLSTART", "1", "API_DEVICE_INVALID", "Could not find a device matching given parameters")
    assert b"<RESULTTYPE>API_DEVICE_INVALID</RESULTTYPE><RESULTCODE>8<" in write(error)
    assert b"<RESULTTYPE>ERROR</RESULTTYPE><RESULTCODE>8<" in write(error, Dialect(error_resulttype="ERROR"))
    assert b"<RESULTTYPE>API_OK</RESULTTYPE>" in write(RESULT, Dialect(error_resulttype="ERROR"))
    assert b"given prameters<" in write(error, Dialect(legacy_typos=True))
    assert Dialect().channel_state(7) == "PreparingToRecord"
    assert Dialect(channel_state_style="number").channel_state(7) == "7"


def test_a_label_without_a_number_is_not_written() -> None:
    with pytest.raises(KeyError):
        write(Result("TEST", "1", "API_NO_SUCH_LABEL", ""))
