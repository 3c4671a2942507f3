"""Killing work on a journal before each of its system calls in turn."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


class Killed(BaseException):
    """Raised in place of a system call: what the process had done until then stays."""


STEPS = ("open", "pwrite", "pwritev", "fdatasync", "fsync", "ftruncate", "unlink")


def killed_at_every_step(
    monkeypatch: pytest.MonkeyPatch, source: Path, work: Callable[[Path], object], verify: Callable[[Path], None]
) -> int:
    """Run `work` on copies of `source`, killed before its 1st, 2nd, ... system call; returns how many there were.

    A write that is killed has written its first half.
    """
    step = 0
    while True:
        directory = source.with_name(f"killed-{step}")
        shutil.copytree(source, directory)
        countdown = [step]
        with monkeypatch.context() as patch:
            for name in STEPS:
                patch.setattr(os, name, _dying(getattr(os, name), name, countdown))
            try:
                work(directory)
                finished = True
            except Killed:
                finished = False
        verify(directory)
        shutil.rmtree(directory)
        if finished:
            return step
        step += 1


def _dying(call: Callable[..., Any], name: str, countdown: list[int]) -> Callable[..., Any]:
    def dying(*arguments: Any, **named: Any) -> Any:
        if countdown[0] == 0:
            if name == "pwritev":
                data = b"".join(arguments[1])
                os.lseek(arguments[0], arguments[2], os.SEEK_SET)
                os.write(arguments[0], data[: len(data) // 2])
            raise Killed
        countdown[0] -= 1
        return call(*arguments, **named)

    return dying
