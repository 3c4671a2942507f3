"""The curl examples of docs/rest.md, run as they stand there against a real server."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest
from tests.rest.asking import a_desk

PAGE = Path(__file__).resolve().parents[2] / "docs" / "rest.md"


def examples() -> list[str]:
    return [line for line in PAGE.read_text().splitlines() if line.startswith("curl ")]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_every_example_works(tmp_path: Path) -> None:
    async with a_desk(tmp_path / "data") as desk:
        assert await desk.agent("sally", is_agent=True, phones=("200",)) == 2
        env = {**os.environ, "EARSHOT": desk.url, "TOKEN": await desk.token(1, "all"), "no_proxy": "*"}
        assert len(examples()) > 10
        for line in examples():
            command = line.replace("curl ", "curl -sS --fail-with-body ", 1)
            process = await asyncio.create_subprocess_shell(
                command, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
            )
            out, _ = await process.communicate()
            assert process.returncode == 0, (line, out)
