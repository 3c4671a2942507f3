"""/webAPI.aspx: the ways a request may come, and the ways an answer may go."""

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from tests.web.world import World

from earshot.api.media import MediaReply
from earshot.errors import StoreUnavailable
from earshot.protocol.decode import Request
from earshot.protocol.results import Node, Result
from earshot.protocol.xml import read_result
from earshot.web.webapi import WebApi

CALLSTART = (
    "<REQUEST><TYPE>CALLSTART</TYPE><REQUESTID>7</REQUESTID><DEVICEID>200</DEVICEID><USER1>a &amp; b</USER1></REQUEST>"
)
EXPORT = {"type": "export", "requestid": "1", "uniquefield": "ident", "uniqueid": "5", "media_format": "wav"}


def fields(answer: httpx.Response) -> dict[str, str | tuple[Node, ...]]:
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/xml; charset=utf-8"
    children = read_result(answer.content)[1]
    assert not isinstance(children, str)
    return dict(children)


@pytest.mark.parametrize("path", ["/webAPI.aspx", "/WebAPI.aspx", "/webapi.aspx", "/WEBAPI.ASPX"])
async def test_the_page_has_any_letter_case(stranger: httpx.AsyncClient, path: str) -> None:
    found = fields(await stranger.get(path, params={"Type": "test", "RequestID": "18"}))
    assert (found["REQUESTID"], found["RESULTTYPE"], found["RESULTCODE"]) == ("18", "API_OK", "20")


async def test_a_query_is_decoded(world: World, stranger: httpx.AsyncClient) -> None:
    await stranger.get("/webAPI.aspx?type=callstart&requestid=7&deviceid=200&user1=a+%26%20b%C3%A9&user2=caf%E9")
    (asked,) = world.asked
    assert (asked.command.name, asked.door, asked.request_id) == ("CALLSTART", "http", "7")
    assert (asked.get("DEVICEID"), asked.get("USER1"), asked.get("USER2")) == ("200", "a & bé", "café")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", "type=callstart&requestid=7&deviceid=200&user1=a+%26+b"),
        ("text/xml", CALLSTART),
        ("application/xml; charset=utf-8", CALLSTART),
        ("application/x-www-form-urlencoded", CALLSTART),
        ("", "\ufeff \r\n" + CALLSTART),
    ],
)
async def test_a_body_is_decoded(world: World, stranger: httpx.AsyncClient, kind: str, body: str) -> None:
    answer = await stranger.post("/webAPI.aspx", content=body.encode(), headers={"content-type": kind})
    assert fields(answer)["RESULTTYPE"] == "API_OK"
    (asked,) = world.asked
    assert (asked.get("DEVICEID"), asked.get("USER1")) == ("200", "a & b")


async def test_no_browser_of_another_site_may_steer_us(world: World, stranger: httpx.AsyncClient) -> None:
    answer = await stranger.get("/webAPI.aspx?type=test&requestid=1", headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403
    assert world.asked == []


async def test_old_clients_need_no_origin_to_post(world: World, stranger: httpx.AsyncClient) -> None:
    answer = await stranger.post("/webAPI.aspx", content=CALLSTART, headers={"origin": "http://crm"})
    assert fields(answer)["RESULTTYPE"] == "API_OK"


@pytest.mark.parametrize(
    ("query", "label"),
    [
        ("", "API_REQUESTID_INVALID"),
        ("type=test", "API_REQUESTID_INVALID"),
        ("type=nonsense&requestid=1", "API_UNKNOWN_MESSAGE_TYPE"),
        ("requestid=1", "API_INVALID_REQUEST_TYPE"),
    ],
)
async def test_errors_are_xml_with_http_200(world: World, stranger: httpx.AsyncClient, query: str, label: str) -> None:
    assert fields(await stranger.get(f"/webAPI.aspx?{query}"))["RESULTTYPE"] == label
    assert world.asked == []


@pytest.mark.parametrize(
    "body", [b"<REQUEST><TYPE>", b"<!DOCTYPE a [<!ENTITY b 'c'>]><REQUEST>&b;</REQUEST>", b"<" * 5000]
)
async def test_junk_is_an_invalid_message(world: World, stranger: httpx.AsyncClient, body: bytes) -> None:
    answer = await stranger.post("/webAPI.aspx", content=body, headers={"content-type": "text/xml"})
    assert fields(answer)["RESULTTYPE"] == "API_INVALID_MESSAGE_FORMAT"
    assert world.asked == []


async def test_a_body_over_the_limit_is_an_invalid_message(stranger: httpx.AsyncClient) -> None:
    answer = await stranger.post("/webAPI.aspx", content=b"type=test&requestid=1&x=" + b"a" * (1 << 20))
    assert fields(answer)["RESULTTYPE"] == "API_INVALID_MESSAGE_FORMAT"


async def test_a_peer_that_is_not_let_in_gets_a_403(world: World) -> None:
    world.allowed = lambda peer: peer == "192.0.2.8"
    for peer, status in (("192.0.2.7", 403), ("192.0.2.8", 200)):
        transport = httpx.ASGITransport(world.app(), client=(peer, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://recorder") as client:
            assert (await client.get("/webAPI.aspx?type=test&requestid=1")).status_code == status
    assert len(world.asked) == 1


async def test_an_export_is_an_attachment_with_ranges(world: World, stranger: httpx.AsyncClient) -> None:
    await world.keep("a/b.wav", bytes(range(100)))
    world.answers["EXPORT"] = MediaReply(
        media_type="audio/wav", file_name="C:\\Recordings\\Büro 1.wav", object_name="a/b.wav", supports_range=True
    )
    whole = await stranger.get("/webAPI.aspx", params=EXPORT)
    assert whole.content == bytes(range(100))
    disposition = whole.headers["content-disposition"]
    assert disposition == "attachment; filename=\"B_ro 1.wav\"; filename*=UTF-8''B%C3%BCro%201.wav"
    assert (whole.headers["accept-ranges"], whole.headers["content-length"]) == ("bytes", "100")
    part = await stranger.get("/webAPI.aspx", params=EXPORT, headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, bytes(range(10, 20)))


async def test_a_stream_is_sent_to_its_end(world: World, stranger: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"ID3"
        yield b"..."

    world.answers["EXPORT"] = MediaReply(media_type="audio/mpeg", file_name="a.mp3", chunks=chunks())
    answer = await stranger.get("/webAPI.aspx", params=EXPORT | {"media_format": "mp3"})
    assert (answer.content, answer.headers["content-type"]) == (b"ID3...", "audio/mpeg")
    assert "accept-ranges" not in answer.headers


async def test_media_that_is_gone_is_said_in_xml(world: World, stranger: httpx.AsyncClient) -> None:
    world.answers["EXPORT"] = MediaReply(media_type="audio/wav", file_name="a.wav", object_name="gone.wav")
    assert fields(await stranger.get("/webAPI.aspx", params=EXPORT))["RESULTTYPE"] == "API_FILE_NOT_FOUND"


async def test_a_lost_database_is_said_in_xml(world: World) -> None:
    async def away(request: Request) -> Result:
        raise StoreUnavailable("the database is locked")

    app = Starlette(routes=[Route("/webAPI.aspx", WebApi(away, world.storage).answer)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://recorder") as client:
        found = fields(await client.get("/webAPI.aspx?type=test&requestid=1"))
    assert (found["RESULTTYPE"], found["RESULTMSG"]) == ("API_DATABASE_QUERY_ERROR", "the database is locked")


def test_a_media_reply_is_one_thing_or_the_other() -> None:
    with pytest.raises(ValueError):
        MediaReply(media_type="audio/wav", file_name="a.wav")
