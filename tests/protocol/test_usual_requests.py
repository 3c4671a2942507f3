"""Usual requests, read in one step: the same as framing, parsing and decoding give, whatever comes and how often."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.protocol import usual
from earshot.protocol.commands import COMMANDS
from earshot.protocol.decode import Request, decode_pairs, decode_usual
from earshot.protocol.framing import FrameReader
from earshot.protocol.results import Result
from earshot.protocol.xml import parse

FIELDS = {
    "TYPE": "CALLSTART",
    "REQUESTID": "7",
    "DEVICEID": "555",
    "ANI": "614",
    "USER1": "Gold",
    "CTIINITIATED": "yes",
}


@pytest.fixture(autouse=True)
def _nothing_learned() -> Iterator[None]:
    usual._layout.cache_clear()
    usual._tried_first.clear()
    yield
    usual._layout.cache_clear()
    usual._tried_first.clear()


def elements(**fields: str) -> str:
    return "".join(f"<{tag}>{text}</{tag}>" for tag, text in fields.items())


def document(**fields: str) -> bytes:
    return f"<REQUEST>{elements(**fields)}</REQUEST>\r\n".encode()


def in_full(data: bytes) -> Request | Result | None:
    """What the full readers make of `data`, when that is one message and nothing else."""
    reader = FrameReader()
    frames = reader.feed(data)
    if len(frames) != 1 or not isinstance(frames[0], bytes) or not reader.between_messages:
        return None
    root, pairs = parse(frames[0])
    return decode_pairs(pairs, "tcp", "" if root.upper() == "REQUEST" else root)


def often(data: bytes) -> Request | None:
    """What is read of `data` when it has come so often that it has an expression of its own, if it can get one."""
    for _ in range(usual.OFTEN):
        decode_usual(data, "tcp")
    return decode_usual(data, "tcp")


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: command.name)
def test_every_example_is_read_as_in_full(command: object) -> None:
    row = COMMANDS[command.name]  # type: ignore[attr-defined]
    data = document(TYPE=row.name, REQUESTID="1", **dict(row.example))
    whole = in_full(data)
    usually = isinstance(whole, Request) and b"&" not in data
    assert decode_usual(data, "tcp") == often(data) == (whole if usually else None)


@pytest.mark.parametrize(
    "data",
    [
        document(**FIELDS),
        document(**FIELDS | {"ANI": "  614  ", "USER1": " ", "USER2": ""}),
        document(**FIELDS | {"USER1": "Ærøskøbing, José ½"}),
        document(**FIELDS | {"NOSUCHTAG": "ignored", "Gate": "5", "MAX_RECORD_TIME": "60"}),
        document(REQUESTID="1", DEVICEID="9", TYPE="CALLSTOP"),
        document(TYPE="TEST", REQUESTID="not a number"),
        document(TYPE="TEST", REQUESTID="1")[:-2],
        b"<REQUEST>\r\n  <TYPE>TEST</TYPE>\r\n\t<REQUESTID>1</REQUESTID>\r\n</REQUEST>\r\n",
        document(TYPE="DEVICESTATUS", REQUESTID="1", DEVICEID="1", SYS_USER="agent"),
        document(**FIELDS | {f"USER{number}": f"{number}" for number in range(1, 16)}),
    ],
)
def test_the_usual_is_read_at_once(data: bytes) -> None:
    request = decode_usual(data, "tcp")
    assert request is not None
    assert request == often(data) == in_full(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe<",
        document(**FIELDS)[:-12],
        document(**FIELDS) * 2,
        b"\r\n" + document(**FIELDS),
        document(**FIELDS) + b"\0",
        document(**FIELDS | {"USER1": "a &amp; b"}),
        document(**FIELDS | {"USER1": "a > b"}),
        document(**FIELDS | {"USER1": "tab\there"}),
        document(**FIELDS | {"USER1": "東京"}),
        document(**FIELDS | {"USER1": "\xa0blank"}),
        document(**FIELDS | {"USER1": "x" * 256}),
        document(**FIELDS | {"request": "1"}),
        document(**FIELDS | {"USER1 a='1'": "1"}),
        document(**FIELDS | {"user1": "again"}),
        document(**FIELDS | {"REQUESTTYPE": "TEST"}),
        document(**FIELDS | {"TYPE": " CALLSTART"}),
        document(**FIELDS | {"TYPE": "callstart"}),
        document(**FIELDS | {"TYPE": "NOSUCH"}),
        document(**FIELDS | {"TYPE": "EXPORT"}),
        document(**FIELDS | {"REQUESTID": " "}),
        document(**FIELDS | {"REQUESTID": "1" * 65}),
        document(**FIELDS | {"CTIINITIATED": "perhaps"}),
        document(TYPE="CALLSTART", REQUESTID="1", ANI="1"),
        document(TYPE="TEST", requestid="1", RequestId="2"),
        document(REQUESTID="1"),
        document(TYPE="TEST"),
        b"<request><TYPE>TEST</TYPE><REQUESTID>1</REQUESTID></request>",
        b"<REQUEST><TYPE>TEST</TYPE><REQUESTID>1</REQUESTID><A/></REQUEST>",
        b"<REQUEST><TYPE>TEST</TYPE><!-- --><REQUESTID>1</REQUESTID></REQUEST>",
        b"<REQUEST><TYPE>TEST</TYPE><REQUESTID>1</REQUESTIX></REQUEST>",
        document(**FIELDS | {f"T{number}": "1" for number in range(usual.MOST_ELEMENTS)}),
    ],
)
def test_whatever_else_is_left_to_the_full_readers(data: bytes) -> None:
    assert decode_usual(data, "tcp") is None
    assert often(data) is None


def test_what_comes_often_is_tried_first_and_refuses_what_only_looks_like_it() -> None:
    assert often(document(**FIELDS)) is not None
    assert usual._tried_first["CALLSTART"].match is not None
    other = FIELDS | {"USER2": "one more"}
    for data in (document(**other), document(**dict(reversed(other.items()))), document(**FIELDS | {"ANI": "1\n2"})):
        whole = in_full(data)
        assert whole is not None
        assert decode_usual(data, "tcp") in (whole, None)
    assert often(document(**other)) == in_full(document(**other))
    assert decode_usual(document(**FIELDS), "tcp") == in_full(document(**FIELDS))


def test_a_command_is_never_taken_for_the_one_that_stands_where_its_type_usually_does() -> None:
    strange = {"ABCD": "CALLSTART", "TYPE": "CALLSTART", "REQUESTID": "1", "DEVICEID": "5"}
    assert often(document(**strange)) is not None
    request = decode_usual(document(**strange | {"TYPE": "CALLSTOP"}), "tcp")
    assert request is not None and request.command is COMMANDS["CALLSTOP"]


TAGS = st.sampled_from(
    [
        *("DEVICEID", "DEVICEALIAS", "ANI", "USER1", "USER2", "CALLDIRECTION", "CTIINITIATED", "MAXRECORDTIME", "GATE"),
        *("device_id", "SYSUSER", "SYS_USER", "TYPE", "REQUESTID", "REQUESTTYPE", "Request", "REQUEST", "NOSUCH"),
        *("A.B", "A b='1'"),
    ]
)
TEXTS = st.one_of(
    st.sampled_from(
        ["", "1", "Y", "I", "555", " x ", "CALLSTART", "TEST", "&", "&#65;", ">", "<B>1</B>", "<!--", "]]>"]
    ),
    st.text(st.characters(codec="utf-8"), max_size=6),
    st.just("x" * 256),
)
GAPS = st.sampled_from(["", "", "", "\r\n", "\n  ", "\0", " \t", "\x0b", "text", "<!-- -->"])
TYPES = st.sampled_from(["CALLSTART", "CALLSTOP", "TEST", "DEVICESTATUS", "EXPORT", "callstop", "NOSUCH"])


@given(
    before=GAPS,
    kind=TYPES,
    pairs=st.lists(st.tuples(TAGS, TEXTS, GAPS), max_size=10),
    after=GAPS,
    cut=st.sampled_from([None, None, None, -1, -11, 12]),
    times=st.sampled_from([1, usual.OFTEN + 1]),
)
def test_whatever_is_read_at_once_is_what_the_full_readers_give(
    before: str, kind: str, pairs: list[tuple[str, str, str]], after: str, cut: int | None, times: int
) -> None:
    inner = "".join(f"<{tag}>{text}</{tag}>{gap}" for tag, text, gap in pairs)
    start = f"<REQUEST>{before}<TYPE>{kind}</TYPE><REQUESTID>1</REQUESTID>"
    data = f"{start}{inner}</REQUEST>{after}".encode(errors="replace")[:cut]
    for _ in range(times):
        request = decode_usual(data, "tcp")
    if request is not None:
        assert request == in_full(data)


@given(text=st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=300))
def test_any_text_of_a_familiar_request_is_read_as_in_full_or_not_here(text: str) -> None:
    often(document(**FIELDS))
    data = document(**FIELDS | {"USER1": text})
    request = decode_usual(data, "tcp")
    if request is not None:
        assert request == in_full(data)
    else:
        assert set(text) & set("&<>\x7f\xa0") or len(text) > 255 or any("\x7f" <= one <= "\xa0" for one in text)
