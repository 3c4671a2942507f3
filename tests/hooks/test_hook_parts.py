"""The parts of a webhook: signatures, URLs, networks, and one attempt at a real HTTP server."""

import socket

import pytest
from tests.hooks.receiver import receiving

from earshot.clock import FakeClock, SystemClock
from earshot.errors import BadInput
from earshot.hooks.posting import Poster
from earshot.hooks.signing import is_genuine, new_secret, signature
from earshot.hooks.targets import NotAllowed, Targets, checked_url
from earshot.ports.webhooks import Delivery, Webhook

DELIVERY = Delivery(webhook_id=1, event_id=7, event_type="CALLSTART", body=b'{"type":"CALLSTART"}', attempts=2)


def test_a_signature_holds_for_its_time_body_and_secret_alone() -> None:
    # The digest by another program: printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac geheim
    header = signature("geheim", 1_700_000_000.9, b'{"a":1}')
    assert header.startswith("t=1700000000,v1=") and len(header) == len("t=1700000000,v1=") + 64
    assert is_genuine(header, "geheim", b'{"a":1}', 1_700_000_000)
    assert is_genuine(header, "geheim", b'{"a":1}', 1_700_000_300)
    assert not is_genuine(header, "geheim", b'{"a":1}', 1_700_000_301)
    assert not is_genuine(header, "geheim", b'{"a":2}', 1_700_000_000)
    assert not is_genuine(header, "other", b'{"a":1}', 1_700_000_000)
    assert not is_genuine(header.replace("t=1700000000", "t=1700000001"), "geheim", b'{"a":1}', 1_700_000_000)
    for junk in ("", "t=", "v1=", "t=x,v1=y", "t=1700000000,v1=é", "=,=,="):
        assert not is_genuine(junk, "geheim", b'{"a":1}', 1_700_000_000)
    assert new_secret() != new_secret()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://a/",
        "//a/b",
        "http://",
        "http:///x",
        "http://user:pw@a/",
        "http://a b/",
        "http://a:99999/",
        "http://a:0/",
        "http://[::1/",
        "http://a/#x",
        "http://a/" + "x" * 2_000,
        "javascript:alert(1)",
    ],
)
def test_urls_that_are_refused(url: str) -> None:
    with pytest.raises(BadInput):
        checked_url(url)


def test_urls_that_are_taken() -> None:
    for url in ("http://a", "https://a.example:8443/x?y=z", "HTTP://[::1]:80/", "http://10.0.0.1/ü"):
        assert checked_url(f"  {url} ") == url


async def test_networks() -> None:
    assert await Targets().address_for("no.such.host.invalid", 80) == ""
    inside = Targets.of(["127.0.0.0/8", "::1"])
    assert await inside.address_for("localhost", 80) in ("127.0.0.1", "::1")
    assert inside.allows("::ffff:127.0.0.1") and not inside.allows("10.0.0.1")
    with pytest.raises(NotAllowed):
        await inside.address_for("10.0.0.1", 80)


@pytest.mark.parametrize(
    ("answer", "ok", "refused", "why"),
    [
        (200, True, False, ""),
        (204, True, False, ""),
        (404, False, True, "HTTP 404 said"),
        (429, False, False, "HTTP 429 said"),
        (500, False, False, "HTTP 500 said"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", False, True, "HTTP 302"),
        (b"HTTP/1.1 400 No\r\n\r\n" + b"x\x00\r\n" * 100_000, False, True, "HTTP 400 x"),
        (b"SSH-2.0-OpenSSH\r\n", False, False, ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", False, False, "no answer"),
        ("hang", False, False, "no answer within 0.5 s"),
    ],
)
async def test_what_becomes_of_an_attempt(answer: int | bytes | str, ok: bool, refused: bool, why: str) -> None:
    timeout_s = 20.0 if why.startswith("HTTP") or ok else 0.5
    async with receiving(always=answer) as receiver, Poster(FakeClock(1_700_000_000.0), Targets(), timeout_s) as poster:
        outcome = await poster.post(Webhook(url=receiver.url, secret="geheim"), DELIVERY)
        assert (outcome.ok, outcome.refused) == (ok, refused)
        assert outcome.why.startswith(why) and len(outcome.why) <= 200
        (got,) = receiver.got
        assert got.body == DELIVERY.body
        assert is_genuine(got.headers["earshot-signature"], "geheim", got.body, 1_700_000_000)
        assert got.headers["earshot-event"] == "CALLSTART" and got.headers["earshot-event-id"] == "7"
        assert got.headers["earshot-attempt"] == "3" and got.headers["content-type"] == "application/json"


async def test_nobody_there_and_not_allowed() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        async with Poster(SystemClock(), Targets(), 5.0) as poster:
            outcome = await poster.post(Webhook(url=url, secret="s"), DELIVERY)
            assert not outcome.ok and not outcome.refused and outcome.why
    async with receiving() as receiver, Poster(SystemClock(), Targets.of(["10.0.0.0/8"]), 5.0) as poster:
        outcome = await poster.post(Webhook(url=receiver.url, secret="s"), DELIVERY)
        assert outcome.refused and receiver.got == []


async def test_where_networks_are_named_the_checked_address_is_used_under_the_hosts_name() -> None:
    async with receiving() as receiver, Poster(SystemClock(), Targets.of(["127.0.0.0/8"]), 5.0) as poster:
        url = f"http://localhost:{receiver.port}/"
        assert (await poster.post(Webhook(url=url, secret="s"), DELIVERY)).ok
        assert receiver.got[0].headers["host"] == f"localhost:{receiver.port}"
