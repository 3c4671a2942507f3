"""The programs of docs/client.md, run against a real server."""

import asyncio
import re
import sys
from pathlib import Path

import pytest
from tests.servers import Speaker

PAGE = Path(__file__).resolve().parents[2] / "docs" / "client.md"
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
SAYS = (
    "555 Gold Level\n",
    "11 devices\n",
    "API_DEVICE_INVALID",
    "no recording yet: API_FILE_NOT_FOUND\n",
    "CALLSTART 556\n",
)


def test_every_program_is_tried() -> None:
    assert len(PROGRAMS) == len(SAYS)


async def test_the_programs_say_what_they_should(live_server: Speaker, tmp_path: Path) -> None:
    ports = f"api_port={live_server.api_port}, events_port={live_server.events_port}, http_port={live_server.http_port}"
    for program, expected in zip(PROGRAMS, SAYS, strict=True):
        meant = re.sub(r'Client\((?:"127.0.0.1")?\)', f"Client({ports})", program)
        assert meant != program
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", "-c", meant, stdout=-1, stderr=-1, cwd=tmp_path
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0, err.decode()
        assert expected in out.decode() and err == b"", program


@pytest.mark.parametrize(
    "name", ["CommandFailed", "NotConnected", "NotAnswered", "TimedOut", "REPEATABLE", "RECONNECTED"]
)
def test_what_the_page_names_is_there(name: str) -> None:
    import earshot.client

    assert name in PAGE.read_text(encoding="utf-8") and hasattr(earshot.client, name)
