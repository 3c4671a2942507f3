"""`earshot blackout`: the running server removes the span, in the name of somebody who may."""

import asyncio
from pathlib import Path

from tests.acceptance.test_blackouts_after import a_recording, now_of
from tests.command_line import earshot
from tests.faults.evidence import is_heard, problems, sound_of
from tests.rest.asking import a_desk
from tests.servers import Speaker

from earshot.actor import SYSTEM

WHY = ("--reason", "a card number")


def words(server: Speaker, begin: str, end: str, *more: str) -> tuple[str, ...]:
    where = ("--host", server.host, "--http-port", str(server.http_port), "--data-dir", str(server.data_dir))
    return ("blackout", "1", begin, end, *WHY, *where, *more)


async def test_a_span_is_removed_by_whoever_may(tmp_path: Path) -> None:
    async with a_desk(tmp_path / "data") as desk:
        server = desk.server
        before = await a_recording(server)
        assert await earshot(*words(server, "0.5", "0:01.2")) == (2, "")
        assert await earshot(*words(server, "half", "1", "--user", "boss")) == (2, "")
        await desk.agent("guest", "RECORDINGSEARCH")
        for who, says in (("guest", "needs the permission BLACKOUTSAFTERTHEFACT"), ("nobody", "no user nobody")):
            status, said = await earshot(*words(server, "0.5", "1.2", "--user", who))
            assert status == 1 and says in said, said
        status, said = await earshot(*words(server, "0.5", "0.4", "--user", "boss"))
        assert (status, said) == (1, "earshot: the span begins at 0 or later and ends after it begins\n")
        retention = desk.context.retention
        assert retention is not None
        hold, _ = await retention.place(SYSTEM, "Case 1", recordings=[1])
        status, said = await earshot(*words(server, "0.5", "1.2", "--user", "boss"))
        assert status == 1 and "hold" in said
        await retention.lift(SYSTEM, hold.number, "settled")
        assert (await now_of(server)).audio_sha256 == before.audio_sha256

        status, said = await earshot(*words(server, "0.5", "0:01.2", "--user", "BOSS"))
        after = await now_of(server)
        assert status == 0 and after.audio_sha256 in said and after.audio_sha256 != before.audio_sha256
        sound = sound_of(server.data_dir, after)
        assert not sound[4001:9599].any() and is_heard(sound, 0.2, 0.49) and is_heard(sound, 1.21, 1.5)
        token = await desk.token(1, "all")
        assert (await earshot(*words(server, "0.1", "0.2", "--bearer", token)))[0] == 0
        acts = [one for one in await desk.acts() if one[1] in ("created token", "blacked out", "revoked token")]
        assert [act for _, act, _ in acts][-6:] == [
            "created token",
            "blacked out",
            "revoked token",
            "created token",
            "blacked out",
            "created token",
        ], "the last is of the one who asks"
        gone = words(server, "0.5", "1.2", "--user", "boss")
    status, said = await asyncio.wait_for(earshot(*gone), 30)
    assert status == 1 and "only a running server removes sound" in said
    assert await problems(tmp_path / "data") == []
