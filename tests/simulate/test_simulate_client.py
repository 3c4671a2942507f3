"""The recording client against a recorder written for the tests: dialogs, refusals, retransmission, both transports."""

import asyncio
import re
import xml.etree.ElementTree as ElementTree
from collections import deque

import pytest
from tests.simulate.conftest import Start
from tests.simulate.responder import Responder, Seen

from earshot.simulate.client import Refused
from earshot.simulate.offer import MIXED, NAMESPACE, PLAIN, Party, Session
from earshot.simulate.transaction import NoAnswer

PARTIES = (Party(number="1001", name="Sally Smith"), Party(number="+12025550123", name="Arthur <Pelham> & Sons"))
SESSION = Session(parties=PARTIES)
PORTS = (40_000, 40_001)
BOTH = pytest.mark.parametrize("transport", ["udp", "tcp"])


def tag(value: str) -> str:
    found = re.search(r";tag=([^;]+)", value)
    return found[1] if found else ""


def branch(seen: Seen) -> str:
    found = re.search(r"branch=([^;]+)", seen.header("Via"))
    return found[1] if found else ""


@BOTH
async def test_a_call_from_invite_to_bye(start: Start, transport: str) -> None:
    client, recorder = await start(transport, Responder())
    call = await client.invite(SESSION, PORTS)
    await client.hold(call)
    await client.resume(call)
    await client.bye(call)
    await recorder.until(lambda: len(recorder.seen) == 7)
    assert recorder.methods() == ["INVITE", "ACK", "INVITE", "ACK", "INVITE", "ACK", "BYE"]
    invite, ack, hold, _, resume, _, bye = recorder.seen
    assert len({seen.header("Call-ID") for seen in recorder.seen}) == 1
    assert len({tag(seen.header("From")) for seen in recorder.seen} - {""}) == 1
    assert tag(invite.header("To")) == ""
    assert {tag(seen.header("To")) for seen in recorder.seen[1:]} == {"srs7"}
    assert {seen.uri for seen in recorder.seen[1:]} == {recorder.contact}
    numbers = [int(seen.header("CSeq").split()[0]) for seen in recorder.seen]
    first = numbers[0]
    assert numbers == [first, first, first + 1, first + 1, first + 2, first + 2, first + 3]
    assert [seen.header("CSeq").split()[1] for seen in recorder.seen] == recorder.methods()
    assert len({branch(seen) for seen in recorder.seen}) == 7
    assert all(branch(seen).startswith("z9hG4bK") for seen in recorder.seen)
    assert all(seen.header("Max-Forwards") == "70" for seen in recorder.seen)
    assert "+sip.src" in invite.header("Contact")
    assert invite.header("Require") == "siprec"
    assert b"a=inactive" in hold.parts()["application/sdp"]
    assert b"a=sendonly" in resume.parts()["application/sdp"]
    versions = [re.search(rb"o=src (\d+) (\d+)", seen.parts()["application/sdp"]) for seen in (invite, hold, resume)]
    assert [found[2] for found in versions if found] == [b"1", b"2", b"3"]
    assert len({found[1] for found in versions if found}) == 1
    assert not ack.body
    assert not bye.body
    assert client.calls == ()


@BOTH
async def test_the_offer_and_its_metadata(start: Start, transport: str) -> None:
    client, recorder = await start(transport, Responder())
    call = await client.invite(Session(parties=PARTIES, codecs=("G722", "PCMU")), PORTS)
    parts = recorder.seen[0].parts()
    assert set(parts) == {"application/sdp", "application/rs-metadata"}
    offer = parts["application/sdp"].decode()
    assert re.findall(r"m=audio (\d+) RTP/AVP ([\d ]+)\r", offer) == [("40000", "9 0 101"), ("40001", "9 0 101")]
    assert re.findall(r"a=label:(\d+)", offer) == ["1", "2"]
    assert offer.count("a=sendonly") == 2
    assert [target.codec.name for target in call.targets if target] == ["G722", "G722"]
    assert recorder.seen[0].wire.count(b"Content-Disposition: recording-session") == 1

    root = ElementTree.fromstring(parts["application/rs-metadata"])
    names = {"r": NAMESPACE}
    assert root.tag == f"{{{NAMESPACE}}}recording"
    people = {
        person.get("participant_id"): (
            person.find("r:nameID", names).get("aor"),  # type: ignore[union-attr]
            person.findtext("r:nameID/r:name", namespaces=names),
        )
        for person in root.findall("r:participant", names)
    }
    labels = {
        stream.get("stream_id"): stream.findtext("r:label", namespaces=names)
        for stream in root.findall("r:stream", names)
    }
    said_on = {
        people[link.get("participant_id")]: labels[link.findtext("r:send", namespaces=names)]
        for link in root.findall("r:participantstreamassoc", names)
    }
    assert said_on == {
        ("sip:1001@pbx.example.net", "Sally Smith"): "1",
        ("sip:+12025550123@pbx.example.net", "Arthur <Pelham> & Sons"): "2",
    }
    sessions = {stream.get("session_id") for stream in root.findall("r:stream", names)}
    assert sessions == {root.find("r:session", names).get("session_id")}  # type: ignore[union-attr]
    await client.bye(call)


async def test_one_mixed_stream(start: Start) -> None:
    client, recorder = await start("udp", Responder())
    call = await client.invite(Session(parties=PARTIES, shape=MIXED), PORTS)
    parts = recorder.seen[0].parts()
    assert parts["application/sdp"].count(b"m=audio") == 1
    assert parts["application/rs-metadata"].count(b"<send>") == 2
    assert len(call.targets) == 1
    await client.bye(call)


async def test_plain_sdp_names_the_parties_in_headers(start: Start) -> None:
    client, recorder = await start("udp", Responder())
    call = await client.invite(Session(parties=PARTIES, shape=PLAIN), PORTS)
    invite = recorder.seen[0]
    assert invite.header("Content-Type") == "application/sdp"
    assert invite.header("Require") == ""
    assert invite.headers.get_all("X-Cisco-Recording-Participant") == [
        '<sip:1001@pbx.example.net>;media-index="0"',
        '<sip:+12025550123@pbx.example.net>;media-index="1"',
    ]
    await client.bye(call)


@BOTH
async def test_a_refusal_is_acknowledged_and_reported(start: Start, transport: str) -> None:
    client, recorder = await start(transport, Responder(refuse=deque(["503 Service Unavailable|Retry-After: 30"])))
    with pytest.raises(Refused) as refused:
        await client.invite(SESSION, PORTS)
    assert (refused.value.status, refused.value.retry_after) == (503, "30")
    await recorder.until(lambda: len(recorder.seen) == 2)
    invite, ack = recorder.seen
    assert ack.method == "ACK"
    assert branch(ack) == branch(invite)
    assert tag(ack.header("To")) == "srs7"
    assert ack.uri == invite.uri
    assert ack.header("CSeq").split() == [invite.header("CSeq").split()[0], "ACK"]
    assert client.calls == ()


async def test_what_udp_loses_is_sent_again(start: Start) -> None:
    client, recorder = await start("udp", Responder(drop=2))
    call = await client.invite(SESSION, PORTS)
    await recorder.until(lambda: recorder.methods()[-1] == "ACK")
    assert recorder.methods() == ["INVITE", "INVITE", "INVITE", "ACK"]
    assert len({seen.wire for seen in recorder.seen[:3]}) == 1
    recorder.drop = 1
    await client.bye(call)
    assert recorder.methods()[4:] == ["BYE", "BYE"]
    assert client.retransmitted >= 3


async def test_a_repeated_ok_gets_its_ack_again(start: Start) -> None:
    client, recorder = await start("udp", Responder(repeat_ok=True))
    call = await client.invite(SESSION, PORTS)
    await recorder.until(lambda: recorder.methods().count("ACK") == 2)
    assert recorder.seen[1].wire == recorder.seen[2].wire
    await client.bye(call)


async def test_nobody_there(start: Start) -> None:
    client, recorder = await start("udp", Responder(drop=1_000))
    with pytest.raises(NoAnswer):
        await client.options()
    assert set(recorder.methods()) == {"OPTIONS"}
    assert len(recorder.seen) > 3


@BOTH
async def test_cancelling_a_ringing_call_sends_cancel(start: Start, transport: str) -> None:
    client, recorder = await start(transport, Responder(ring=True))
    placing = asyncio.ensure_future(client.invite(SESSION, PORTS))
    await recorder.until(lambda: "INVITE" in recorder.methods())
    while not client.proceeding:
        await asyncio.sleep(0)
    placing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await placing
    await recorder.until(lambda: "ACK" in recorder.methods())
    invite, cancel, ack = recorder.seen
    assert (cancel.method, ack.method) == ("CANCEL", "ACK")
    assert branch(cancel) == branch(ack) == branch(invite)
    assert cancel.uri == invite.uri
    assert cancel.header("CSeq") == invite.header("CSeq").split()[0] + " CANCEL"


@BOTH
async def test_the_recorder_ends_a_call(start: Start, transport: str) -> None:
    client, recorder = await start(transport, Responder())
    call = await client.invite(SESSION, PORTS)
    invite = recorder.seen[0]
    address = invite.header("Contact").split(";")[0].strip("<>").removeprefix("sip:")
    own, peer = invite.header("From"), f"{invite.header('To')};tag=srs7"

    def ask(method: str, to: str, number: int) -> None:
        text = (
            f"{method} sip:{address} SIP/2.0\r\nVia: SIP/2.0/{transport.upper()} 127.0.0.1:{recorder.port}"
            f";branch=z9hG4bKs{number}\r\nFrom: {peer}\r\nTo: {to}\r\nCall-ID: {invite.header('Call-ID')}\r\n"
            f"CSeq: {number} {method}\r\nMax-Forwards: 70\r\nContact: <{recorder.contact}>\r\nContent-Length: 0\r\n\r\n"
        )
        recorder.send(text.encode(), invite.source)

    for number, (method, to) in enumerate([("OPTIONS", own), ("INVITE", own), ("BYE", f"{own}x"), ("BYE", own)], 1):
        ask(method, to, number)
        await recorder.until(lambda number=number: len(recorder.answers) == number)  # type: ignore[misc]
    statuses = [int(answer.split(b" ")[1]) for answer in recorder.answers]
    assert statuses == [200, 200, 481, 200]
    assert b"a=label:2" in recorder.answers[1]
    assert call.ended.is_set()
    assert call.ended_by_peer
    await client.bye(call)
    assert "BYE" not in recorder.methods()


async def test_record_routes_are_followed(start: Start) -> None:
    responder = Responder()
    client, recorder = await start("udp", responder)
    responder.record_route = f"<sip:far.example;lr>, <sip:127.0.0.1:{recorder.port};lr>"
    call = await client.invite(SESSION, PORTS)
    await client.bye(call)
    assert recorder.methods() == ["INVITE", "ACK", "BYE"]
    for seen in recorder.seen[1:]:
        assert seen.headers.get_all("Route") == [f"<sip:127.0.0.1:{recorder.port};lr>", "<sip:far.example;lr>"]


async def test_the_answer_chooses_codec_and_streams(start: Start) -> None:
    client, recorder = await start("udp", Responder(accept_types=("0",), refuse_stream=0))
    call = await client.invite(Session(parties=PARTIES, codecs=("OPUS", "PCMU")), PORTS)
    first, second = call.targets
    assert first is None
    assert second is not None
    assert second.codec.name == "PCMU"
    await client.bye(call)
    assert recorder.methods() == ["INVITE", "ACK", "BYE"]


async def test_an_answer_without_any_usable_stream_is_ended(start: Start) -> None:
    client, recorder = await start("udp", Responder(accept_types=("77",)))
    with pytest.raises(Refused, match="488"):
        await client.invite(SESSION, PORTS)
    await recorder.until(lambda: recorder.methods() == ["INVITE", "ACK", "BYE"])


@BOTH
async def test_all_calls_are_ended_at_once(start: Start, transport: str) -> None:
    client, recorder = await start(transport, Responder())
    await asyncio.gather(*(client.invite(SESSION, PORTS) for _ in range(20)))
    assert len(client.calls) == 20
    assert await client.end_all() == 0
    assert recorder.methods().count("BYE") == 20
    assert len({seen.header("Call-ID") for seen in recorder.seen}) == 20
