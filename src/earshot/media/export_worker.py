"""The process that makes exports: tasks come in on standard input, one JSON line each; how far it is goes out likewise.

`python -m earshot.media.export_worker`. It ends when standard input does. Messages: {"ready": bytes}, then {"done":
{...}}, or {"failed": gone | disk | bad | error, "message": ...}. The one rule: it stands behind everything else on the
machine, and what goes wrong with one task is told and forgotten.
"""

import errno
import json
import os
import signal
import sys
import time
from typing import Any

from earshot.errors import BadInput
from earshot.media.export_task import ExportTask, perform

NICENESS = 15
"""Sealing has 10: what was just recorded comes before what is fetched."""
BETWEEN_REPORTS_S = 0.05


class _Teller:
    """Tells progress, but not every block of it."""

    def __init__(self) -> None:
        self._told_at = 0.0

    def ready(self, size: int) -> None:
        """So many bytes can be read."""
        now = time.monotonic()
        if now - self._told_at >= BETWEEN_REPORTS_S:
            self._told_at = now
            tell({"ready": size})


def tell(message: dict[str, Any]) -> None:
    """One line to whoever began this process."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def outcome(line: bytes) -> dict[str, Any]:
    """Perform the task of a line; the last message about it."""
    try:
        done = perform(ExportTask.from_json(line), _Teller().ready)
    except FileNotFoundError as gone:
        return {"failed": "gone", "message": str(gone)}
    except OSError as trouble:
        kind = "disk" if trouble.errno in (errno.ENOSPC, errno.EDQUOT) else "error"
        return {"failed": kind, "message": str(trouble)}
    except BadInput as bad:
        return {"failed": "bad", "message": str(bad)}
    except (ValueError, ArithmeticError, RuntimeError, MemoryError, ImportError) as trouble:
        return {"failed": "error", "message": f"{type(trouble).__name__}: {trouble}"}
    return {"done": {"size": done.size, "altered": list(done.altered)}}


def main() -> None:
    """Until standard input ends."""
    os.nice(NICENESS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for line in sys.stdin.buffer:
            tell(outcome(line))
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
