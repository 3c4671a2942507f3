"""Request bodies, bounded in size and time.

No decoding of commands here. The one rule: a body that is too large is still read to its end, within reason, so that
the client gets to see the answer.
"""

import asyncio
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

BODY_S: Final = 30.0
"""Seconds a client may take to send a body."""
SWALLOWED_BYTES: Final = 16 * 1024 * 1024
"""How much of a body that is too large is read and dropped."""


class BodyTooLarge(Exception):
    """The body is over the limit."""


class BodyTooSlow(Exception):
    """The body did not arrive in time."""


async def read_body(request: Request, limit: int, seconds: float = BODY_S) -> bytes:
    """The whole body, at most `limit` bytes. Raises BodyTooLarge, BodyTooSlow, or Starlette's ClientDisconnect."""
    chunks: list[bytes] = []
    length = 0
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                length += len(chunk)
                if length <= limit:
                    chunks.append(chunk)
                elif length > SWALLOWED_BYTES:
                    break
    except TimeoutError:
        raise BodyTooSlow from None
    if length > limit:
        raise BodyTooLarge
    return b"".join(chunks)


async def read_form(request: Request, limit: int) -> dict[str, str]:
    """The fields of an `application/x-www-form-urlencoded` body; the last of a name wins. Raises as `read_body`, and
    BodyTooLarge for more than a hundred fields."""
    body = await read_body(request, limit)
    try:
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=100)
    except ValueError:
        raise BodyTooLarge from None
    return dict(pairs)
