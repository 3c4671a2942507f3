"""How long a piece of picture is that nobody told us about. The one rule: what cannot be decoded is no segment."""

from pathlib import Path

import av

from earshot.vault.files import opened
from earshot.vault.keyring import Keyring


def duration_of(path: Path, keyring: Keyring | None = None) -> float:
    """Seconds of video in the file, which `keyring` opens if it is encrypted. Raises ValueError when it holds none that
    can be read."""
    try:
        with opened(path, keyring) as file, av.open(file, "r") as container:
            if not container.streams.video or container.duration is None:
                raise ValueError(f"{path.name} holds no video")
            next(container.decode(video=0))
            return container.duration / av.time_base
    except (av.FFmpegError, OSError, StopIteration) as why:
        raise ValueError(f"{path.name} cannot be read: {why}") from None
