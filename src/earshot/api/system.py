"""SYSTEMSTATUS: the health of this machine as the specification shows it. Reads /proc and the file system only.

Capacity in MB, RAMUSEDPCT truncated, FREEPCT with two decimals, uptime with its final dot (reference.md D6).
"""

import os
import platform
import shutil
from pathlib import Path

from earshot.api.context import Context
from earshot.protocol.decode import Request
from earshot.protocol.results import Node, Result, ok
from earshot.protocol.times import uptime

MB = 1024 * 1024
GB = 1024 * MB


def uptime_s() -> float:
    """Seconds since the machine started."""
    return float(Path("/proc/uptime").read_text().split()[0])


def memory_mb() -> tuple[int, int]:
    """(total, free) in MB; free is what programs can still get."""
    lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    total, free = (int(lines[name].split()[0]) // 1024 for name in ("MemTotal", "MemAvailable"))
    return total, free


def _processors() -> list[tuple[str, str]]:
    """(speed, type) per processor, such as ("2394MHz", "x86 Family 6 Model 15 Stepping 11")."""
    found = []
    for block in Path("/proc/cpuinfo").read_text().strip().split("\n\n"):
        facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in block.splitlines())}
        if "processor" not in facts:
            continue
        speed = f"{float(facts.get('cpu MHz', '0') or 0):.0f}MHz"
        if "cpu family" in facts:
            kind = f"x86 Family {facts['cpu family']} Model {facts['model']} Stepping {facts.get('stepping', '0')}"
        else:
            kind = facts.get("model name", platform.machine())
        found.append((speed, kind))
    return found or [("0MHz", platform.machine())] * (os.cpu_count() or 1)


def system_status(context: Context, request: Request) -> Result:
    disk = shutil.disk_usage(context.data_dir)
    total_mb, free_mb = memory_mb()
    used_mb = total_mb - free_mb
    processors: list[Node] = [
        (f"PROCESSOR{number}", (("SYSTEMPROCESSORSPEED", speed), ("SYSTEMPROCESSORTYPE", kind)))
        for number, (speed, kind) in enumerate(_processors())
    ]
    body: list[Node] = [
        ("RECORDINGPATH", context.settings.recording_path),
        ("RECORDINGSPACEINFO", f"{disk.free / GB:.2f}GB of {disk.total / GB:.2f}GB"),
        ("RECORDINGTOTALDISKCAPACITY", str(disk.total // MB)),
        ("RECORDINGTOTALDISKFREE", str(disk.free // MB)),
        ("RECORDINGTOTALDISKFREEPCT", f"{disk.free * 100 / disk.total:.2f}"),
        ("SYSTEMUPTIME", uptime(uptime_s())),
        *processors,
        ("SYSTEMRAMTOTAL", str(total_mb)),
        ("SYSTEMRAMFREE", str(free_mb)),
        ("SYSTEMRAMUSED", str(used_mb)),
        ("SYSTEMRAMUSEDPCT", str(used_mb * 100 // total_mb)),
    ]
    return ok(request, body=tuple(body))
