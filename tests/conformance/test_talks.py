"""Every talk with a server that runs, by each door: over TCP, and over HTTP as query, form and document in turn."""

import asyncio
from pathlib import Path
from urllib.parse import urlencode

import pytest
from tests.conformance.conditions import Stage, bring_about
from tests.conformance.talks import MEDIA, Exchange, Talk, all_talks, fits, missing
from tests.plain_http import http_client

from earshot.protocol.command import Door
from earshot.protocol.commands import COMMANDS
from earshot.protocol.results import Node
from earshot.protocol.xml import read_result, write_request

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
XML = {"Content-Type": "text/xml"}


def doors_of(talk: Talk) -> tuple[str, ...]:
    """Its own, else those that all of its commands have."""
    every = [COMMANDS[one.command].doors for one in talk.exchanges]
    return talk.doors or tuple(str(door) for door in ("tcp", "http") if all(door in doors for doors in every))


def _given() -> list[tuple[Talk, str]]:
    return [(talk, door) for talk in all_talks() for door in doors_of(talk)]


def named(value: object) -> str:
    return value.name if isinstance(value, Talk) else str(value)


async def over_tcp(stage: Stage, exchange: Exchange) -> Node:
    document = write_request(exchange.command, str(exchange.line), list(exchange.fields))
    return read_result(await stage.server.send(document))


async def over_http(stage: Stage, exchange: Exchange) -> Node:
    """The ways in turn; what comes back as media is an answer MEDIA with its type as the message."""
    url = f"http://{stage.server.host}:{stage.server.http_port}/webAPI.aspx"
    ident = str(exchange.line)
    fields = urlencode([("type", exchange.command), ("requestid", ident), *exchange.fields])
    async with http_client(timeout=30, trust_env=False) as http:
        if exchange.line % 3 == 0:
            response = await http.get(f"{url}?{fields}")
        elif exchange.line % 3 == 1:
            response = await http.post(url, content=fields.encode(), headers=FORM)
        else:
            document = write_request(exchange.command, ident, list(exchange.fields))
            response = await http.post(url, content=document, headers=XML)
    kind = response.headers["content-type"].partition(";")[0]
    if kind == "text/xml":
        return read_result(response.content)
    assert len(response.content) == int(response.headers["content-length"]) > 44
    head = (("REQUESTTYPE", exchange.command), ("REQUESTID", ident), ("RESULTTYPE", MEDIA), ("RESULTMSG", kind))
    return "RESULT", head


DOORS = {"tcp": over_tcp, "http": over_http}


def problems(exchange: Exchange, answer: Node) -> list[str]:
    children = answer[1]
    assert not isinstance(children, str)
    head = {tag: text for tag, text in children[:5] if isinstance(text, str)}
    found = missing(exchange, answer)
    label, message = head["RESULTTYPE"], head["RESULTMSG"]
    if label != exchange.label or not fits(exchange.message, message):
        found.append(f"{label} {message} instead of {exchange.label} {exchange.message}")
    if head["REQUESTID"] != str(exchange.line):
        found.append("another's answer")
    return [f"line {exchange.line}, {exchange.command}: {one}" for one in found]


@pytest.mark.parametrize(("talk", "door"), _given(), ids=named)
async def test_as_it_stands(talk: Talk, door: Door, tmp_path: Path) -> None:
    found: list[str] = []
    async with asyncio.timeout(300), Stage(tmp_path / "data", **talk.settings) as stage:
        for exchange in talk.exchanges:
            for condition in exchange.before:
                await bring_about(stage, condition)
            found += problems(exchange, await DOORS[door](stage, exchange))
    assert found == []
