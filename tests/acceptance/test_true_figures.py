"""SYSTEMSTATUS and CHANNELS against this machine itself, asked for in the same moment: /proc, the disk, settings."""

import os
import re
import shutil
from pathlib import Path

from tests.servers import Speaker, in_process

from earshot.protocol.dialect import CHANNEL_STATES
from earshot.protocol.xml import read_result

MB = 1 << 20


def texts(answer: bytes) -> dict[str, str]:
    children = read_result(answer)[1]
    assert not isinstance(children, str)
    return {tag: text for tag, text in children if isinstance(text, str)}


def meminfo() -> dict[str, int]:
    """/proc/meminfo in MB."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return {name: int(text.split()[0]) // 1024 for name, _, text in (line.partition(":") for line in lines)}


def uptime_s(text: str) -> int:
    found = re.fullmatch(r"(\d+) days, (\d+) hours, (\d+) minutes, (\d+) seconds\.", text)
    assert found is not None, text
    days, hours, minutes, seconds = map(int, found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


async def test_the_machine(live_server: Speaker) -> None:
    before, free_before = meminfo(), shutil.disk_usage(live_server.data_dir).free
    began = float(Path("/proc/uptime").read_text().split()[0])
    said = texts(answer := await live_server.command("SYSTEMSTATUS"))
    ended = float(Path("/proc/uptime").read_text().split()[0])
    after, disk = meminfo(), shutil.disk_usage(live_server.data_dir)
    assert int(began) <= uptime_s(said["SYSTEMUPTIME"]) <= int(ended)
    assert int(said["SYSTEMRAMTOTAL"]) == before["MemTotal"]
    moved = abs(before["MemAvailable"] - after["MemAvailable"]) + 512  # others use this machine meanwhile
    assert abs(int(said["SYSTEMRAMFREE"]) - after["MemAvailable"]) <= moved
    assert int(said["SYSTEMRAMUSED"]) + int(said["SYSTEMRAMFREE"]) == int(said["SYSTEMRAMTOTAL"])
    assert int(said["SYSTEMRAMUSEDPCT"]) == int(said["SYSTEMRAMUSED"]) * 100 // int(said["SYSTEMRAMTOTAL"])
    assert int(said["RECORDINGTOTALDISKCAPACITY"]) == disk.total // MB
    moved = abs(free_before - disk.free) // MB + 512
    assert abs(int(said["RECORDINGTOTALDISKFREE"]) - disk.free // MB) <= moved
    share = int(said["RECORDINGTOTALDISKFREE"]) * 100 / int(said["RECORDINGTOTALDISKCAPACITY"])
    assert abs(float(said["RECORDINGTOTALDISKFREEPCT"]) - share) < 0.02
    assert len(re.findall(rb"<PROCESSOR\d+>", answer)) == (os.cpu_count() or 0)


async def test_the_channels(tmp_path: Path) -> None:
    async with in_process(tmp_path / "data", channels=3) as server:
        idle = await server.command("CHANNELS")
        assert idle.count(b"<STATE>Idle</STATE>") == 3 and b"<COUNT>3</COUNT>" in idle
        await server.make_recording("555")
        again = await server.command("CHANNELS")
        states = {state.decode() for state in re.findall(rb"<STATE>(.*?)</STATE>", again)}
        assert states <= set(CHANNEL_STATES) and again.count(b"<CHANNEL>") == 3
        moment = max(int(text) for text in re.findall(rb"<LASTSTATECHANGEUNIXTIME>(\d+)<", again))
        assert server.inside is not None and 0 <= server.inside.clock.now() - moment < 120
