"""The HTTP door: commands at webAPI.aspx, and exports saved as files, taken up again where a connection broke.

The one rule: a file stands under its name only when it is whole; until then it has `.part` behind it.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Final, TypeAlias
from urllib.parse import unquote, urlencode

import httpx

from earshot.client.errors import CommandFailed, NotAnswered, NotConnected, TimedOut
from earshot.client.reply import Reply
from earshot.client.server import Server
from earshot.clock import Clock
from earshot.errors import BadInput

PATH: Final = "/webAPI.aspx"
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded", "Accept-Encoding": "identity"}
FILE_NAME: Final = re.compile(r"filename\*=UTF-8''([^;]+)|filename=\"([^\"]*)\"", re.IGNORECASE)
CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(\d+)")

Progress: TypeAlias = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A file that was saved: where, how many bytes, what it is, and the name that the server gave it."""

    path: Path
    size: int
    media_type: str
    file_name: str


class _Broken(Exception):
    """The bytes ended too early."""


@dataclass(slots=True)
class _Part:
    """What is there of a file."""

    path: Path
    size: int = 0
    tag: str = ""
    whole: int | None = None


class WebDoor:
    """One HTTP connection pool to the server."""

    def __init__(self, server: Server, clock: Clock) -> None:
        self._server = server
        self._clock = clock
        headers = {"X-API-Token": server.token} if server.token else {}
        if server.bearer:
            headers["Authorization"] = f"Bearer {server.bearer}"
        self._http = httpx.AsyncClient(
            base_url=server.url,
            headers=headers,
            verify=server.context or False,
            timeout=httpx.Timeout(server.timeout_s, connect=server.connect_s),
            trust_env=False,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def ask(self, command: str, request_id: str, pairs: list[tuple[str, str]], timeout_s: float) -> bytes:
        """One command as a form, so that nothing of it stands in a URL. Raises NotConnected, NotAnswered, TimedOut."""
        form = _form(command, request_id, pairs)
        try:
            answer = await self._http.post(PATH, content=form, headers=FORM, timeout=timeout_s)
        except (httpx.ConnectError, httpx.ConnectTimeout) as why:
            raise self._away(why) from why
        except httpx.TimeoutException:
            raise TimedOut(f"no answer came within {timeout_s:g} seconds") from None
        except httpx.TransportError as why:
            raise NotAnswered(f"the connection broke: {why}") from why
        _must_be_an_answer(answer)
        if "content-disposition" in answer.headers:
            raise NotAnswered(f"{command} answers with a file: save it")
        return answer.content

    async def save(
        self, command: str, request_id: str, pairs: list[tuple[str, str]], to: Path, progress: Progress | None
    ) -> Saved:
        """As `Sender.save`, into `to`, a file or a folder."""
        is_folder = await asyncio.to_thread(to.is_dir)
        part = _Part((to / f"export-{request_id}.part") if is_folder else to.with_name(f"{to.name}.part"))
        form = _form(command, request_id, pairs)
        began, attempt = self._clock.monotonic(), count()
        try:
            while True:
                before = part.size
                try:
                    saved = await self._try(command, form, part, progress)
                    break
                except (NotConnected, _Broken) as why:
                    if part.size > before:
                        began, attempt = self._clock.monotonic(), count()
                    pause = self._server.pause(next(attempt))
                    if self._clock.monotonic() + pause - began > self._server.patience_s:
                        raise why if isinstance(why, NotConnected) else NotAnswered(str(why)) from why
                    await asyncio.sleep(pause)
            path = to / _safe(saved.file_name) if is_folder else to
            await asyncio.to_thread(part.path.replace, path)
            return Saved(path=path, size=saved.size, media_type=saved.media_type, file_name=saved.file_name)
        finally:
            await asyncio.to_thread(part.path.unlink, missing_ok=True)

    async def _try(self, command: str, form: bytes, part: _Part, told: Progress | None) -> Saved:
        headers = {"Range": f"bytes={part.size}-", "If-Range": part.tag} if part.size and part.tag else {}
        patient = httpx.Timeout(self._server.export_s, connect=self._server.connect_s)
        try:
            async with self._http.stream("POST", PATH, content=form, headers=FORM | headers, timeout=patient) as answer:
                if answer.status_code == 416:
                    part.size, part.tag = 0, ""
                    raise _Broken("the server has another file by now")
                if "content-disposition" not in answer.headers:
                    await answer.aread()
                    _must_be_an_answer(answer)
                    raise _refusal(command, answer.content)
                await self._take(answer, part, told)
                return Saved(
                    path=part.path,
                    size=part.size,
                    media_type=answer.headers.get("content-type", ""),
                    file_name=_file_name(answer.headers["content-disposition"]),
                )
        except (httpx.ConnectError, httpx.ConnectTimeout) as why:
            raise self._away(why) from why
        except httpx.TransportError as why:
            raise _Broken(f"the connection broke: {why or type(why).__name__}") from why

    async def _take(self, answer: httpx.Response, part: _Part, told: Progress | None) -> None:
        """Write what comes behind what is there, or instead of it when the server begins anew."""
        found = CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
        if answer.status_code != 206 or found is None or int(found[1]) != part.size:
            if answer.status_code == 206:
                part.size, part.tag = 0, ""
                raise _Broken("the server sent another part than was asked for")
            part.size = 0
            length = answer.headers.get("content-length", "")
            part.whole = int(length) if length.isdecimal() else None
        part.tag = answer.headers.get("etag", "") if "accept-ranges" in answer.headers else ""
        with await asyncio.to_thread(part.path.open, "r+b" if part.size else "wb") as file:
            file.seek(part.size)
            async for piece in answer.aiter_raw():
                await asyncio.to_thread(file.write, piece)
                part.size += len(piece)
                if told is not None:
                    told(part.size, part.whole)
        if part.whole is not None and part.size != part.whole:
            raise _Broken(f"{part.size} of {part.whole} bytes came")

    def _away(self, why: Exception) -> NotConnected:
        return NotConnected(f"{self._server.url} cannot be reached: {why or type(why).__name__}")


def _form(command: str, request_id: str, pairs: list[tuple[str, str]]) -> bytes:
    return urlencode([("TYPE", command), ("REQUESTID", request_id), *pairs]).encode()


def _must_be_an_answer(answer: httpx.Response) -> None:
    """Raises NotAnswered for a status of HTTP's own: it says more than the bytes."""
    if answer.status_code >= 300:
        text = answer.text.strip().splitlines()
        raise NotAnswered(f"HTTP {answer.status_code}: {text[0][:200] if text else answer.reason_phrase}")


def _refusal(command: str, document: bytes) -> CommandFailed | NotAnswered:
    try:
        return CommandFailed(Reply.of(command, document))
    except BadInput as wrong:
        return NotAnswered(f"the answer to {command} cannot be read: {wrong}")


def _file_name(disposition: str) -> str:
    found = FILE_NAME.findall(disposition)
    coded = [unquote(each[0]) for each in found if each[0]]
    plain = [each[1] for each in found if each[1]]
    return (coded or plain or ["export"])[0]


def _safe(name: str) -> str:
    """A name that stays in its folder, whatever the server says."""
    last = PurePosixPath(name.replace("\\", "/")).name
    return re.sub(r"[\x00-\x1f\x7f]", "_", last).lstrip(".") or "export"
