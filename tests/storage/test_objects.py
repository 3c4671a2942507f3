"""The storage in an object store: what it says of one that does not do what it is asked, old versions, and parts."""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from tests.object_store import SECRET_KEY, ObjectStore

from earshot.clock import FakeClock
from earshot.storage.away import PlaceAway
from earshot.storage.objects import PART_BYTES, VERSIONS_S, Bucket, ObjectAccess, ObjectStorage
from earshot.storage.placed import PlacedStorage, placed_name
from earshot.storage.places import MARKER, Places

Answers = Callable[[str, str], tuple[int, bytes]]
"""Status and body for a method and a path; for HEAD the headers."""
DELETED = b"<DeleteResult><Deleted><Key>of/earshot/.earshot-probe</Key></Deleted></DeleteResult>"
ACCESS = ObjectAccess(
    region="eu-central-1", access_key="the-key", secret_key=SECRET_KEY, allow_http=True, timeout_s=5.0
)
BUCKET = Bucket("attic", "of/earshot")


def error(code: str) -> bytes:
    """What a store says."""
    told = f"<Code>{code}</Code><Message>It is so</Message><StringToSign>{SECRET_KEY}</StringToSign>"
    return f"<Error>{told}</Error>".encode()


@asynccontextmanager
async def answering(answers: Answers, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server that gives these answers; gives its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                method, path, _ = head.decode().split(" ", 2)
                length = re.search(rb"content-length: (\d+)", head.lower())
                await reader.readexactly(int(length[1]) if length else 0)
                status, body = answers(method, path)
                size = b"" if method == "HEAD" else b"Content-Length: %d\r\n" % len(body)
                extra = body if method == "HEAD" else b'ETag: "tag"\r\n'
                writer.write(
                    b"HTTP/1.1 %d Said\r\n" % status + size + extra + b"\r\n" + (b"" if method == "HEAD" else body)
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def at(address: str, **changed: object) -> ObjectStorage:
    return ObjectStorage(BUCKET, replace(ACCESS, endpoint=f"http://{address}", **changed))  # type: ignore[arg-type]


async def trouble(work: Awaitable[object]) -> str:
    """What an operator reads."""
    with pytest.raises(PlaceAway) as raised:
        await work
    assert SECRET_KEY not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (403, error("AccessDenied"), "s3://attic/of/earshot refuses: the access key may not do that"),
        (403, error("SignatureDoesNotMatch"), "does not accept the access key, its secret, or the region"),
        (403, error("InvalidAccessKeyId"), "does not accept the access key, its secret, or the region"),
        (404, error("NoSuchBucket"), "there is no bucket of s3://attic/of/earshot"),
        (301, error("PermanentRedirect"), "is in another region: see s3_region"),
        (507, error("XMinioStorageFull"), "s3://attic/of/earshot is full"),
        (400, error("Strange"), "s3://attic/of/earshot did not do it (Strange: It is so)"),
    ],
)
async def test_what_a_store_answers_is_said(status: int, body: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"sound")
    async with answering(lambda method, path: (status, body)) as address:
        storage = at(address)
        assert sentence in await trouble(storage.put_file("a", tmp_path / "source"))
        assert sentence in await trouble(storage.try_out())
        assert sentence in (await storage.delete_all(["a", "b"]))["a"]
    assert (tmp_path / "source").exists()


async def test_a_store_that_does_not_answer_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes connections, and that is all
        storage = at(f"127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.2)
        assert await trouble(storage.size("a")) == "s3://attic/of/earshot does not answer in time"
        assert len(await storage.delete_all([str(number) for number in range(500)])) == 500, "and not asked 500 times"
    assert await trouble(storage.exists("a")) == "s3://attic/of/earshot cannot be reached"


async def test_no_access_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no key is set, and the machine has no role either."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    async with answering(lambda method, path: (404, b"")) as machine:
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", f"http://{machine}")
        storage = at(machine, access_key="", secret_key="")
        assert "there is no access key for s3://attic/of/earshot: set s3_access_key" in await trouble(storage.size("a"))


async def test_variables_of_aws_are_used_but_not_mixed_with_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the-variable")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "the-token")
    heads: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 404 Said\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    assert not await at(address).exists("a")
    assert not await at(address, access_key="", secret_key="").exists("a")
    server.close()
    assert "Credential=the-key/" in heads[0] and "/eu-central-1/" in heads[0] and "the-token" not in heads[0]
    assert "Credential=the-variable/" in heads[1] and "the-token" in heads[1]
    assert heads[0].startswith("HEAD /attic/of/earshot/a ")


async def test_certificates_and_plain_http() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with answering(lambda method, path: (200, b"Content-Length: 7\r\n"), context) as address:
        access = replace(ACCESS, endpoint=f"https://{address}")
        assert "is not trusted: see s3_ca_file" in await trouble(ObjectStorage(BUCKET, access).size("a"))
        trusted = replace(access, ca=authority.cert_pem.bytes())
        assert await ObjectStorage(BUCKET, trusted).size("a") == 7
    assert "by http only: see s3_allow_http" in await trouble(at("127.0.0.1:1", allow_http=False).size("a"))


async def test_a_put_that_breaks_off_counts_for_nothing(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"\0" * (PART_BYTES + 1))
    asked: list[tuple[str, str]] = []

    def answers(method: str, path: str) -> tuple[int, bytes]:
        asked.append((method, path.partition("?")[2].partition("=")[0]))
        if method == "POST" and "?uploads" in path:
            return 200, b"<InitiateMultipartUploadResult><UploadId>7</UploadId></InitiateMultipartUploadResult>"
        return (400, error("Strange")) if method == "POST" and "uploadId" in path else (200, DELETED)

    async with answering(answers) as address:
        assert "Strange" in await trouble(at(address).put_file("a", source))
    assert [one for one in asked if one[0] == "PUT" and one[1]] == [("PUT", "partNumber")] * 2
    assert asked[-1] == ("DELETE", "uploadId") and source.exists()


async def test_what_is_not_there_as_it_was_put_is_an_error(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"sound")
    async with answering(lambda method, path: (200, b"Content-Length: 4\r\n" if method == "HEAD" else DELETED)) as one:
        said = await trouble(at(one).put_file("a", source))
    assert "a has 4 bytes in s3://attic/of/earshot, and 5 were put" in said
    assert source.exists()


async def test_a_bucket_that_keeps_old_versions_is_refused(object_store: ObjectStore, tmp_path: Path) -> None:
    bucket, clock, source = object_store.made(), FakeClock(), tmp_path / "source"
    place = Places(access=object_store.access, clock=clock).at(bucket.destination)
    bucket.version("Enabled")
    assert "keeps old versions" in await trouble(place.prepare())
    with pytest.raises(PlaceAway):
        await place.look()
    bucket.version("Suspended")
    await place.prepare()
    await place.look()
    for name in "ab":
        source.write_bytes(b"sound")
        await place.storage.put_file(name, source)

    bucket.version("Enabled")  # by somebody, later
    clock.advance(VERSIONS_S)
    source.write_bytes(b"sound")
    assert "keeps old versions" in await trouble(place.storage.put_file("c", source))
    assert source.exists() and not await place.storage.exists("c")
    kept = await place.storage.delete_all(["a"])
    assert "suspend versioning" in kept["a"], "it may still be there"
    assert not await place.storage.exists("a")
    marks = bucket.versions().count("<DeleteMarker>")
    assert list(await place.storage.delete_all(["a"])) == ["a"]
    assert bucket.versions().count("<DeleteMarker>") == marks, "trying again adds no marks"
    bucket.version("Suspended")
    clock.advance(VERSIONS_S)
    assert await place.storage.delete_all(["b"]) == {}


async def test_a_large_object_goes_in_parts_and_comes_in_pieces(object_store: ObjectStore, tmp_path: Path) -> None:
    storage = ObjectStorage(Bucket(object_store.shared().name, "large"), object_store.access)
    content = bytes(range(256)) * (PART_BYTES // 256) + b"and more"
    (tmp_path / "source").write_bytes(content)
    await storage.put_file("a", tmp_path / "source")
    assert await storage.size("a") == len(content)
    reading = storage.read("a")
    found = [await anext(reading)]
    found += [chunk async for chunk in reading]
    assert b"".join(found) == content and max(map(len, found)) <= 256 * 1024

    reading = storage.read("a")
    await anext(reading)
    await storage.write("a", content[::-1])
    with pytest.raises(OSError, match="replaced meanwhile"):
        async for _ in reading:
            pass


async def test_objects_of_others_are_left_alone(object_store: ObjectStore, tmp_path: Path) -> None:
    bucket = object_store.made()
    storage = ObjectStorage(Bucket.read(bucket.destination), object_store.access)
    await storage.write("a", b"sound")
    for key in ("of/earshotless", "of/earshot/", "elsewhere/b"):
        object_store.http.put(f"/{bucket.name}/{key}", content=b"theirs").raise_for_status()
    assert [one async for one in storage.names()] == [("a", 5)]
    object_store.http.put(f"/{bucket.name}/of/earshot/x//y", content=b"theirs").raise_for_status()
    with pytest.raises(PlaceAway, match="use a prefix of our own"):
        assert [one async for one in storage.names()]


async def test_a_bucket_is_ours_by_its_marker(object_store: ObjectStore, tmp_path: Path) -> None:
    bucket, clock = object_store.made(), FakeClock()
    places = Places(access=object_store.access, clock=clock)
    storage = PlacedStorage(ObjectStorage(Bucket(object_store.shared().name, "main"), object_store.access), places)
    storage.know({2: bucket.destination, 3: str(tmp_path / "cellar")})
    name, source = placed_name(2, "day/a.wav"), tmp_path / "source"
    source.write_bytes(b"sound")
    assert MARKER in await trouble(storage.put_file(name, source))
    await places.at(bucket.destination).prepare()
    clock.advance(10.0)
    await storage.put_file(name, source)
    assert storage.local_path(name) is None and await storage.size(name) == 5
    assert await storage.destroy_keys([name]) == {}
    bucket.raw.delete(f"of/earshot/{MARKER}")
    assert b"".join([chunk async for chunk in storage.read(name)]) == b"sound", "it is believed for some seconds"
    clock.advance(10.0)
    for missing in (storage.size(name), storage.delete(name)):
        assert MARKER in await trouble(missing)
    assert not await storage.exists(name)
    assert MARKER in (await storage.delete_all([name, placed_name(3, "b")]))[name]
    with pytest.raises(FileNotFoundError, match="it is no archive"):
        assert [chunk async for chunk in storage.read(name)]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "s3://",
            "s3://A",
            "s3://ab",
            "s3://attic?x",
            "s3://attic/a//b",
            "s3://attic/../b",
            "s3://me@attic",
            "s3:/attic",
        ),
        *("gs://attic", "http://attic", "s3://attic/\x07", "s3://attic/" + "x" * 256, "attic", "", "s3://attic/a\\b"),
    ],
)
def test_what_is_no_destination(text: str) -> None:
    with pytest.raises(ValueError, match=r"bucket|path|prefix|name"):
        Places().at(text)


@pytest.mark.parametrize(("text", "shown"), [("s3://attic/", "s3://attic"), ("s3://a.b-c/d e/ф/", "s3://a.b-c/d e/ф")])
def test_destinations_are_written_in_one_way(text: str, shown: str) -> None:
    assert Places().at(text).destination == shown
    assert SECRET_KEY not in repr(ACCESS)
