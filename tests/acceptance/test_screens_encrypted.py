"""With a master key nothing of a screen lies plain in the data folder: not while it is captured, not while it waits."""

import hashlib
from pathlib import Path

from tests.acceptance.test_screen_sessions import add_jdoe, desktop_of, eventually, objects, rows_of
from tests.acceptance.test_tamper_evidence import logged_in
from tests.servers import SilentDesktop, in_process

from earshot.capture.in_process import WEBM, encode
from earshot.operations import check_data
from earshot.ports.capture import Hello, SegmentFinished, StartScreen, segment_file
from earshot.vault.master import write_new
from earshot.vault.overwriting import header_of

PLAIN = b"V_VP8"
"""What stands in every WebM file of ours."""


def plain_files(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and PLAIN in path.read_bytes()]


async def test_nothing_of_a_screen_lies_plain_while_it_waits(tmp_path: Path) -> None:
    data, key_file = tmp_path / "data", tmp_path / "master.key"
    capture, screens = data / "capture", data / "recordings" / "screens"
    write_new(key_file)
    films = []
    for number in (1, 2):
        encode(tmp_path / "film", [(number * 10 + frame, False) for frame in range(5)], 5)
        films.append((tmp_path / "film").read_bytes())
        (tmp_path / "film").unlink()
    async with in_process(data, master_key_file=key_file) as server:
        assert server.inside is not None
        screens.parent.mkdir(parents=True, exist_ok=True)
        screens.write_text("in the way: nothing can be stored")
        await add_jdoe(server)
        agent, desktops = SilentDesktop(), server.inside.context.desktops
        desktop = desktops.connected(Hello(computer="PC1", username="jdoe"), agent)
        await server.command("CHATSTART", SESSIONID="82738", AGENTID=1)
        (order,) = [one for one in agent.asked if isinstance(one, StartScreen)]
        first, second = (capture / segment_file(order.capture, number, WEBM) for number in (1, 2))
        first.write_bytes(films[0])
        assert PLAIN in films[0] and plain_files(data) == [first.name]
        sha256 = hashlib.sha256(films[0]).hexdigest()
        report = SegmentFinished(
            capture=order.capture,
            number=1,
            media_type=WEBM,
            sha256=sha256,
            size=len(films[0]),
            began_at=server.inside.clock.now(),
            duration_s=1.0,
        )
        desktops.reported(desktop, report)
        await eventually(lambda: plain_files(data) == [], "the file of an agent is encrypted where it lies")
        assert header_of(first) is not None and list(capture.iterdir()) == [first]
    second.write_bytes(films[1])
    screens.unlink()
    async with in_process(data, master_key_file=key_file) as server:
        assert server.inside is not None
        assert plain_files(data) == [] and list(capture.iterdir()) == []
        seen: set[str] = set()

        def third_is_stored() -> bool:
            seen.update(plain_files(data))
            return len(objects(server)) > 2

        async with desktop_of(server):
            await eventually(third_is_stored, "the session goes on with the agent in this process")
            await server.command("CHATSTOP", SESSIONID="82738")
            (row,) = await rows_of(data, 1)
        assert seen == set()
        sums = [one.sha256 for one in row.session.segments]
        assert sums[:2] == [hashlib.sha256(film).hexdigest() for film in films] and len(sums) > 2
        async with await logged_in(server) as http:
            assert [(await http.get(f"/screens/1/{number}")).content for number in (1, 2)] == films
        assert plain_files(data) == []
        assert await check_data(server.inside.settings) == []
