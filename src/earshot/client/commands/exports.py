"""Exports, as methods. Made from the command table by `python -m earshot.client.generate`."""

# fmt: off
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from earshot.client.sender import Answer, File, Sender
from earshot.client.values import Flag, Many, Text


class ExportsCommands(Sender[Answer, File]):
    """Exports."""

    def export(
        self, to: Path | str, *, uniquefield: Text, uniqueid: Text, media_format: Literal["WAV", "MP3", "VOX", "CAV"],
        encrypt: Flag | None = None, password: Text | None = None,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> File:
        """Hands out the media of one recording.

        uniquefield: Field that tells the recording apart: a parameter of the call or a column of the recordings.
        uniqueid: Value of that field.
        media_format: Format of the media.
        encrypt: Encrypt the CAV file; needs PASSWORD.
        password: Password; never written to a log or a reply.

        All of: UNIQUEFIELD, UNIQUEID, MEDIA_FORMAT. Otherwise API_INVALID_MESSAGE_FORMAT.
        Required: PASSWORD (when ENCRYPT is Y and MEDIA_FORMAT is CAV). Otherwise API_INVALID_MESSAGE_FORMAT.
        On success the answer is the media itself, as an attachment.
        When several recordings match, the newest is taken.
        ENCRYPT and PASSWORD concern CAV only; with another format they are ignored.
        Answers: API_FILE_NOT_FOUND, API_INVALID_MESSAGE_FORMAT, API_ERROR_OUT_OF_DISK_SPACE, API_INVALID_REQUEST_TYPE,
            API_DATABASE_QUERY_ERROR.
        """
        return self.save("EXPORT", {
            "UNIQUEFIELD": uniquefield, "UNIQUEID": uniqueid, "MEDIA_FORMAT": media_format, "ENCRYPT": encrypt,
            "PASSWORD": password,
        }, to, progress=progress)

    def combinedexport(
        self, to: Path | str, *, ident: Many, media_format: Literal["WAV", "MP3", "VOX", "CAV"],
        progress: Callable[[int, int | None], None] | None = None,
    ) -> File:
        """Hands out several recordings joined into one file.

        ident: Numbers of the recordings.
        media_format: Format of the media.

        All of: IDENT, MEDIA_FORMAT. Otherwise API_INVALID_MESSAGE_FORMAT.
        On success the answer is the media itself, as an attachment.
        They follow each other by ascending record number.
        One that is not there refuses the whole, unless the setting `export_skip_missing` leaves it out.
        Answers: API_FILE_NOT_FOUND, API_INVALID_MESSAGE_FORMAT, API_ERROR_OUT_OF_DISK_SPACE, API_INVALID_REQUEST_TYPE,
            API_DATABASE_QUERY_ERROR.
        """
        return self.save("COMBINEDEXPORT", {"IDENT": ident, "MEDIA_FORMAT": media_format}, to, progress=progress)

    def multiexport(
        self, to: Path | str, *, ident: Many, media_format: Literal["WAV", "MP3", "VOX", "CAV"],
        progress: Callable[[int, int | None], None] | None = None,
    ) -> File:
        """Hands out several recordings in one ZIP file.

        ident: Numbers of the recordings.
        media_format: Format of the media.

        All of: IDENT, MEDIA_FORMAT. Otherwise API_INVALID_MESSAGE_FORMAT.
        On success the answer is the media itself, as an attachment.
        One file per recording.
        One that is not there refuses the whole, unless the setting `export_skip_missing` leaves it out.
        Answers: API_FILE_NOT_FOUND, API_INVALID_MESSAGE_FORMAT, API_ERROR_OUT_OF_DISK_SPACE, API_INVALID_REQUEST_TYPE,
            API_DATABASE_QUERY_ERROR.
        """
        return self.save("MULTIEXPORT", {"IDENT": ident, "MEDIA_FORMAT": media_format}, to, progress=progress)
