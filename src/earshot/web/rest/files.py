"""Files as answers of the REST API: what can go wrong with one, as problems.

The one rule: the first bytes are in hand before a status is sent (`earshot.web.replies`), so that what is wrong can
still be said.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request
from starlette.responses import Response

from earshot.api.media import MediaReply
from earshot.errors import EarshotError, OutOfDiskSpace, StoreUnavailable
from earshot.protocol.results import INVALID_FORMAT, PROCESSING_ERROR
from earshot.web.replies import respond
from earshot.web.rest.desk import Desk
from earshot.web.rest.problems import NO_FILE, Problem


@contextmanager
def file_problems() -> Iterator[None]:
    """What making or sending a file raises, as Problem."""
    try:
        yield
    except FileNotFoundError:
        raise Problem(404, "The media of a recording is gone", NO_FILE) from None
    except StoreUnavailable:
        raise
    except ValueError as wrong:
        raise Problem(400, str(wrong), INVALID_FORMAT) from None
    except OutOfDiskSpace as full:
        raise Problem(507, str(full), "API_ERROR_OUT_OF_DISK_SPACE") from None
    except EarshotError as trouble:
        raise Problem(503, str(trouble), PROCESSING_ERROR) from None


async def sent(reply: MediaReply, request: Request, desk: Desk, *, inline: bool = False) -> Response:
    """The file, or the part of it that a Range names. Raises Problem."""
    with file_problems():
        return await respond(reply, request, desk.context.storage, inline=inline)
