"""Decoding: names, spellings, values, requirements, and the label of every refusal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.protocol.commands import COMMANDS
from earshot.protocol.decode import Request, decode_query, decode_xml
from earshot.protocol.query import parse_query
from earshot.protocol.results import Result, failed, ok, sent_to_cores


def xml(**fields: str) -> bytes:
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    return f"<REQUEST>{inner}</REQUEST>".encode()


def accepted(answer: Request | Result) -> Request:
    assert isinstance(answer, Request), answer
    return answer


def refused(answer: Request | Result) -> tuple[str, int, str, str]:
    assert isinstance(answer, Result), answer
    return answer.label, answer.code, answer.request_type, answer.request_id


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: command.name)
def test_the_example_of_every_command_is_accepted(command: object) -> None:
    row = COMMANDS[command.name]  # type: ignore[attr-defined]
    request = accepted(
        decode_xml(xml(TYPE=row.name, REQUESTID="1", **{k: v.replace("&", "&amp;") for k, v in row.example}), "http")
    )
    assert request.command is row
    assert dict(request.params) == dict(row.example)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (b"<REQUEST><TYPE>TEST</TYPE></REQUEST>", ("API_REQUESTID_INVALID", 14, "TEST", "")),
        (xml(TYPE="TEST", REQUESTID="  "), ("API_REQUESTID_INVALID", 14, "TEST", "")),
        (xml(TYPE="TEST", REQUESTID="x" * 65), ("API_REQUESTID_INVALID", 14, "TEST", "")),
        (xml(REQUESTID="1"), ("API_INVALID_REQUEST_TYPE", 15, "", "1")),
        (xml(TYPE=" ", REQUESTID="1"), ("API_INVALID_REQUEST_TYPE", 15, "", "1")),
        (xml(TYPE="EXPORT", REQUESTID="1"), ("API_INVALID_REQUEST_TYPE", 15, "EXPORT", "1")),
        (xml(TYPE="NOSUCH", REQUESTID="1"), ("API_UNKNOWN_MESSAGE_TYPE", 10, "NOSUCH", "1")),
        (b"<NOSUCH><REQUESTID>1</REQUESTID></NOSUCH>", ("API_UNKNOWN_MESSAGE_TYPE", 10, "NOSUCH", "1")),
        (b"<REQUEST><TYPE>TEST</TYPE><REQUESTID>5</REQUESTID>", ("API_INVALID_MESSAGE_FORMAT", 16, "TEST", "5")),
        (b"junk", ("API_INVALID_MESSAGE_FORMAT", 16, "", "")),
        (xml(TYPE="CALLSTART", REQUESTID="1", ANI="1"), ("API_DEVICE_INVALID", 8, "CALLSTART", "1")),
        (xml(TYPE="CALLSTART", REQUESTID="1", DEVICEID=" "), ("API_DEVICE_INVALID", 8, "CALLSTART", "1")),
        (xml(TYPE="CALLUPDATE", REQUESTID="1", RECORDID=""), ("API_DEVICE_INVALID", 8, "CALLUPDATE", "1")),
        (xml(TYPE="DEVICESTATUS", REQUESTID="1"), ("API_DEVICE_INVALID", 8, "DEVICESTATUS", "1")),
        (xml(TYPE="BLACKOUTSTART", REQUESTID="1"), ("API_AGENT_NOT_FOUND", 24, "BLACKOUTSTART", "1")),
        (xml(TYPE="CHATSTART", REQUESTID="1"), ("API_SESSIONID_UNSPECIFIED", 34, "CHATSTART", "1")),
        (xml(TYPE="CHATSTART", REQUESTID="1", SESSIONID="2"), ("API_AGENT_NOT_FOUND", 24, "CHATSTART", "1")),
        (xml(TYPE="IMPORTUSER", REQUESTID="1"), ("API_INVALID_MESSAGE_FORMAT", 16, "IMPORTUSER", "1")),
        (xml(TYPE="IMPORTUSER", REQUESTID="1", ACTION="x"), ("API_ERROR_INVALID_ACTION", 21, "IMPORTUSER", "1")),
        (
            xml(TYPE="IMPORTUSER", REQUESTID="1", ACTION="add", FIRSTNAME="A"),
            ("API_INVALID_MESSAGE_FORMAT", 16, "IMPORTUSER", "1"),
        ),
        (
            xml(TYPE="IMPORTAGENTPHONE", REQUESTID="1", ACTION="ADD", PHONEID="1", AGENTID="0"),
            ("API_AGENT_NOT_FOUND", 24, "IMPORTAGENTPHONE", "1"),
        ),
        (
            xml(TYPE="CALLSTART", REQUESTID="1", DEVICEID="x" * 256),
            ("API_INVALID_MESSAGE_FORMAT", 16, "CALLSTART", "1"),
        ),
        (
            xml(TYPE="CALLSTART", REQUESTID="1", DEVICEID="1", CALLDIRECTION="X"),
            ("API_INVALID_MESSAGE_FORMAT", 16, "CALLSTART", "1"),
        ),
        (xml(TYPE="CALLLIST", REQUESTID="1", CALLCOUNT="-1"), ("API_INVALID_MESSAGE_FORMAT", 16, "CALLLIST", "1")),
        (xml(TYPE="CALLLIST", REQUESTID="1", CALLDATEEND="x"), ("API_INVALID_MESSAGE_FORMAT", 16, "CALLLIST", "1")),
    ],
)
def test_refusals_have_their_label(document: bytes, expected: tuple[str, int, str, str]) -> None:
    assert refused(decode_xml(document, "tcp")) == expected


@pytest.mark.parametrize(
    ("query", "label"),
    [
        ("uniquefield=ani&uniqueid=1", "API_INVALID_MESSAGE_FORMAT"),
        ("uniquefield=ani&uniqueid=1&media_format=ogg", "API_INVALID_MESSAGE_FORMAT"),
        ("uniquefield=ani&uniqueid=1&media_format=cav&encrypt=Y", "API_INVALID_MESSAGE_FORMAT"),
        ("uniquefield=ani&uniqueid=1&media_format=cav&encrypt=Y&password=x", ""),
        ("uniquefield=ani&uniqueid=1&media_format=mp3&encrypt=Y", ""),
        ("uniquefield=ani&uniqueid=1&media_format=cav&encrypt=N", ""),
    ],
)
def test_what_export_needs(query: str, label: str) -> None:
    answer = decode_query(f"type=export&requestid=1&{query}")
    assert (answer.label if isinstance(answer, Result) else "") == label


@pytest.mark.parametrize(
    "document",
    [
        b"<TEST><REQUESTID>1</REQUESTID></TEST>",
        b"<test><requestid> 1 </requestid></test>",
        b"<REQUEST><REQUESTTYPE> test </REQUESTTYPE><REQUESTID>1</REQUESTID></REQUEST>",
        b"<REQUEST><REQUESTTYPE>CALLSTART</REQUESTTYPE><REQUESTID>1</REQUESTID><TYPE>TEST</TYPE></REQUEST>",
        b"<REQUEST><TYPE>TEST</TYPE><TYPE></TYPE><REQUESTID></REQUESTID><REQUESTID>1</REQUESTID></REQUEST>",
        b"<REQUEST><TYPE>TEST</TYPE><REQUESTID>1</REQUESTID><WHAT>ever</WHAT></REQUEST>",
    ],
)
def test_one_request_many_writings(document: bytes) -> None:
    request = accepted(decode_xml(document))
    assert (request.command.name, request.request_id, dict(request.params)) == ("TEST", "1", {})


@pytest.mark.parametrize(
    ("command", "sent", "canonical", "value"),
    [
        ("CALLSTART", "ComputerName", "STATIONNAME", "PC1"),
        ("CALLSTART", "STATION", "STATIONNAME", "PC1"),
        ("CALLSTART", "sysuser", "SYS_USER", "jdoe"),
        ("CALLUPDATE", "Update_If_Not_Recording", "UPDATE_IF_NOT_RECORDING", "Y"),
        ("CALLUPDATE", "UPDATEIFNOTRECORDING", "UPDATE_IF_NOT_RECORDING", "Y"),
        ("IMPORTUSER", "USER_ID", "USERID", "4"),
        ("IMPORTUSER", "EMPLOYEE_ID", "EMPLOYEEID", "4"),
        ("IMPORTUSER", "FIRST_NAME", "FIRSTNAME", "Ann"),
        ("IMPORTUSER", "SYS_DOMAIN", "DOMAIN", "corp"),
        ("IMPORTUSER", "SITE_ID", "SITEID", "1"),
        ("CHATSTART", "USERID", "AGENTID", "4"),
        ("MODIFYUSERROLE", "SYS_USER", "SYSTEMUSERNAME", "jdoe"),
        ("COMBINEDEMAIL", "UNIQUEFIELD", "UNIQUEID", "IDENT"),
    ],
)
def test_spellings(command: str, sent: str, canonical: str, value: str) -> None:
    assert COMMANDS[command].spelt[sent.upper()].name == canonical
    fields = dict(COMMANDS[command].example) | {sent: value}
    fields.pop(canonical, None)
    assert accepted(decode_xml(xml(TYPE=command, REQUESTID="1", **fields))).get(canonical) == value


def test_values_are_trimmed_and_brought_to_one_form() -> None:
    sent = xml(
        TYPE="callstart",
        REQUESTID=" a-1 ",
        DEVICEID=" 555 ",
        USER1=" Gold  Level ",
        USER2="",
        CALLDIRECTION="i",
        AGENTINITIATED="true",
        CTIINITIATED="0",
        ARCHIVEACTION="-1",
        MAXRECORDTIME="60",
    )
    request = accepted(decode_xml(sent))
    assert request.request_id == "a-1"
    assert request.warnings == ("REQUESTID is not a number",)
    assert dict(request.params) == {
        "DEVICEID": "555",
        "USER1": "Gold  Level",
        "USER2": "",
        "CALLDIRECTION": "I",
        "AGENTINITIATED": "Y",
        "CTIINITIATED": "N",
        "ARCHIVEACTION": "-1",
        "MAXRECORDTIME": "60",
    }
    assert request.get("USER2") == request.get("USER3") == ""
    assert "USER3" not in request.params


def test_of_repeated_names_the_last_that_is_not_blank_counts() -> None:
    sent = b"<REQUEST><TYPE>CALLSTART</TYPE><REQUESTID>1</REQUESTID><DEVICEID>1</DEVICEID><DEVICEID>2</DEVICEID><DEVICEID> </DEVICEID><STATION>A</STATION><COMPUTERNAME></COMPUTERNAME></REQUEST>"  # noqa: E501
    assert dict(accepted(decode_xml(sent)).params) == {"DEVICEID": "2", "STATIONNAME": "A"}


def test_several_where_one_is_meant_are_taken_with_a_warning() -> None:
    request = accepted(decode_xml(xml(TYPE="BLACKOUTSTART", REQUESTID="1", SYS_USER="a", DEVICEID="5")))
    assert len(request.warnings) == 1
    assert "DEVICEID counts" in request.warnings[0]


def test_a_record_id_needs_no_device() -> None:
    assert accepted(decode_xml(xml(TYPE="CALLUPDATE", REQUESTID="1", RECORDID="9"))).get("RECORDID") == "9"


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        (b"a=1&b=x+y&c=%41%2b&d", [("a", "1"), ("b", "x y"), ("c", "A+"), ("d", "")]),
        ("?a=caf%C3%A9&b=caf%E9&c=100%&d=%zz", [("a", "café"), ("b", "café"), ("c", "100%"), ("d", "%zz")]),
        (b"a=caf\xe9&b=caf\xc3\xa9", [("a", "café"), ("b", "café")]),
        ("&&a==b&", [("a", "=b")]),
        ("a=\u20ac%41", [("a", "\u20acA")]),
        (b"", []),
    ],
)
def test_query_strings(query: bytes | str, pairs: list[tuple[str, str]]) -> None:
    assert parse_query(query) == pairs


@given(st.binary(max_size=300), st.sampled_from(["tcp", "http"]))
def test_decoding_never_raises(data: bytes, door: str) -> None:
    for answer in (decode_xml(data, door), decode_query(data, door)):  # type: ignore[arg-type]
        assert isinstance(answer, Request | Result)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["TYPE", "REQUESTID", "DEVICEID", "ACTION", "USER_ID", "IDENT", "CALLCOUNT", "ENCRYPT", "X"]
            ),
            st.sampled_from(["", "1", "TEST", "CALLSTART", "EXPORT", "IMPORTUSER", "ADD", "Y", "-1", "x" * 300]),
        ),
        max_size=8,
    )
)
def test_a_query_and_a_document_of_the_same_fields_mean_the_same(fields: list[tuple[str, str]]) -> None:
    document = "<REQUEST>" + "".join(f"<{name}>{value}</{name}>" for name, value in fields) + "</REQUEST>"
    query = "&".join(f"{name.lower()}={value}" for name, value in fields)
    assert decode_xml(document.encode(), "http") == decode_query(query, "http")


def test_the_three_outcomes_with_cores() -> None:
    request = accepted(decode_xml(xml(TYPE="CALLSTOP", REQUESTID="3", DEVICEID="1")))
    everyone = sent_to_cores(request, (1, 2), ())
    some = sent_to_cores(request, (1,), (2, 3))
    none = sent_to_cores(request, (), (1,))
    assert (everyone.code, everyone.message) == (20, "CALLSTOP sent to all of the following cores: 1,2")
    assert (some.label, some.message) == (
        "API_PARTIAL_CORE_RESPONSE",
        "CALLSTOP could not be sent to the following cores: 2,3",
    )
    assert none.label == "API_ERROR_RECORDER_NOT_RUNNING"
    assert ok(request).message == "API_OK"
    assert failed(request, "API_NO_GROUP").message == "API_NO_GROUP"
