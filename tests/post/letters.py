"""Mail and attachments for tests."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from earshot.ports.outbox import Attachment, Mail

NOW = 1_700_000_000.0


def a_mail(**changes: Any) -> Mail:
    whole = Mail(
        number=1,
        message_id="<0123456789abcdef@uptivity.com>",
        to="jane@uptivity.com",
        from_="recorder@uptivity.com",
        from_name="Earshot",
        subject="Recording 17",
        text="Attached is recording 17.\n",
        records=(17,),
        kind="single",
        format="WAV",
        created_at=NOW,
        expires_at=NOW + 86400,
        next_attempt_at=NOW,
    )
    return replace(whole, **changes)


def a_file(folder: Path, content: bytes, name: str = "17.wav", media_type: str = "audio/wav") -> Attachment:
    path = folder / "export"
    path.write_bytes(content)
    return Attachment(path=path, media_type=media_type, file_name=name, size=len(content))
