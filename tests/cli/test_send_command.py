"""`earshot send`: what it says before it sends, what it sends, and what a shell completes."""

import asyncio
import os
import shlex
import sys
from pathlib import Path

import pytest
from tests.servers import Speaker
from typer.testing import CliRunner

from earshot.cli import cli
from earshot.cli.command_words import described, words_like
from earshot.protocol.command import Command
from earshot.protocol.commands import COMMANDS


def earshot(*words: str, status: int = 0, stdin: str = "") -> str:
    result = CliRunner().invoke(cli, ["send", *words], input=stdin, env={"COLUMNS": "200"})
    assert result.exit_code == status, result.output
    return result.output


async def sent(speaker: Speaker, *words: str, status: int = 0, stdin: str = "") -> str:
    ports = ["--api-port", str(speaker.api_port), "--http-port", str(speaker.http_port)]
    return await asyncio.to_thread(lambda: earshot(*words, *ports, status=status, stdin=stdin))


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: command.name)
def test_describe_says_everything(command: Command) -> None:
    text = earshot(command.name.lower(), "--describe")
    assert text == described(command) + "\n"
    assert max(map(len, text.splitlines()[:-1])) <= 120
    words = " ".join(text.split())
    assert all(parameter.name in words and parameter.meaning in words for parameter in command.parameters)
    assert all(possible.label in words for possible in command.returns)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["CALLSTRT"], "there is no command CALLSTRT. Did you mean CALLSTART"),
        (["XYZZY"], "there is no command XYZZY."),
        (["CALLSTART", "DEVICE=1"], "no parameter DEVICE. Did you mean DEVICEID"),
        (["CALLSTART", "user16=1"], "no parameter user16. Did you mean USER"),
        (["CALLSTART", "DEVICEID"], "'DEVICEID' is not NAME=value"),
        (["CALLSTART", "=1"], "'=1' is not NAME=value"),
        (["CALLSTART", "ANI=@/nowhere/at/all"], "ANI cannot be read from /nowhere/at/all"),
        (["EXPORT", "MEDIA_FORMAT=WAV"], "EXPORT answers with a file: say where with --output"),
        (["TEST", "--output", "x"], "TEST has no file"),
    ],
)
def test_what_is_not_sent(words: list[str], said: str) -> None:
    assert said in " ".join(earshot(*words, status=2).replace("│", " ").split())


def test_the_help_names_every_command() -> None:
    text = earshot("--help")
    assert all(name in text for name in COMMANDS)


class TestSending:
    async def test_both_doors_and_raw(self, live_server: Speaker) -> None:
        answer = await sent(live_server, "callstart", "deviceid=555", "USER1=Gold & more")
        assert "  <RESULTTYPE>API_OK</RESULTTYPE>\n" in answer
        assert "<USER1>Gold & more</USER1>" in await sent(live_server, "DEVICELIST", "--http")
        raw = await sent(live_server, "DEVICELIST", "--raw")
        assert raw.startswith("<RESULT><REQUESTTYPE>DEVICELIST") and raw.count("\n") == 1 and "Gold &amp; more" in raw
        assert "API_DEVICE_INVALID" in await sent(live_server, "CALLSTOP", status=1)

    async def test_values_from_files(self, live_server: Speaker, tmp_path: Path) -> None:
        (tmp_path / "note.txt").write_text("from a file\n")
        words = ["DEVICEID=555", f"USER1=@{tmp_path / 'note.txt'}", "USER2=@-", "USER3=@@literal"]
        await sent(live_server, "CALLSTART", *words, stdin="from a pipe\n")
        shown = await sent(live_server, "DEVICELIST")
        assert all(
            f"<{tag}>{text}</{tag}>" in shown
            for tag, text in (("USER1", "from a file"), ("USER2", "from a pipe"), ("USER3", "@literal"))
        )

    async def test_an_export_is_saved(self, live_server: Speaker, tmp_path: Path) -> None:
        await live_server.make_recording("700")
        words = ["EXPORT", "UNIQUEFIELD=DEVICEID", "UNIQUEID=700", "MEDIA_FORMAT=WAV"]
        said = await sent(live_server, *words, "--output", str(tmp_path / "a.wav"))
        assert f"{tmp_path / 'a.wav'}: {(tmp_path / 'a.wav').stat().st_size} bytes, audio/wav\n" in said
        refused = await sent(live_server, *words[:2], "UNIQUEID=0", words[3], "--output", str(tmp_path), status=1)
        assert "API_FILE_NOT_FOUND" in refused


class TestCompletion:
    @pytest.mark.parametrize(
        ("command", "words", "begun", "expected"),
        [
            ("EXPORT", [], "uni", ["UNIQUEFIELD=", "UNIQUEID="]),
            ("EXPORT", ["uniqueid=1"], "UNI", ["UNIQUEFIELD="]),
            ("EXPORT", [], "MEDIA_FORMAT=", [f"MEDIA_FORMAT={one}" for one in ("WAV", "MP3", "VOX", "CAV")]),
            ("EXPORT", ["MEDIA_FORMAT", "="], "w", ["WAV"]),
            ("EXPORT", ["MEDIA_FORMAT"], "=", ["WAV", "MP3", "VOX", "CAV"]),
            ("callstart", [], "CALLDIRECTION=", ["CALLDIRECTION=I", "CALLDIRECTION=O"]),
            ("CALLSTART", [], "DEVICEID=", []),
            ("NOSUCH", [], "", []),
        ],
    )
    def test_words(self, command: str, words: list[str], begun: str, expected: list[str]) -> None:
        assert [word for word, _ in words_like(command, words, begun)] == expected

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("earshot send CALLST", ["CALLSTART", "CALLSTOP"]),
            ("earshot send EXPORT MEDIA", ["MEDIA_FORMAT="]),
            ("earshot send EXPORT MEDIA_FORMAT = C", ["CAV"]),
        ],
    )
    async def test_in_bash(self, line: str, expected: list[str]) -> None:
        """The script that `earshot --show-completion bash` prints, as bash calls it."""
        words = line.split()
        script = (
            'eval "$(_EARSHOT_COMPLETE=source_bash earshot)"\n'
            f"COMP_WORDS=({' '.join(map(shlex.quote, words))}); COMP_CWORD={len(words) - 1}\n"
            "_earshot_completion earshot\n"
            'printf "%s\\n" "${COMPREPLY[@]}"\n'
        )
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        process = await asyncio.create_subprocess_exec(
            "bash", "--norc", "-c", script, stdout=-1, env={**os.environ, "PATH": path}
        )
        out, _ = await process.communicate()
        assert out.decode().split() == expected
