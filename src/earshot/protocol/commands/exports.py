"""Exports: EXPORT, COMBINEDEXPORT, MULTIEXPORT. They answer with media, so they come by HTTP only.

Only data lives here. The one rule: an export either is the whole media or an error reply, never half of each.
"""

from earshot.protocol import parameters as p
from earshot.protocol.command import HTTP_ONLY, Command, Return, When, needs
from earshot.protocol.commands.imports import DATABASE

NO_FILE = Return(label="API_FILE_NOT_FOUND", sentence="There is no such recording, or its media is gone.")
FORMAT = Return(label="API_INVALID_MESSAGE_FORMAT", sentence="A parameter is missing or not acceptable.")
NO_SPACE = Return(
    label="API_ERROR_OUT_OF_DISK_SPACE", sentence="The file would take the disk space that recording needs."
)
OVER_TCP = Return(label="API_INVALID_REQUEST_TYPE", sentence="The command came over TCP.")

EXPORT = Command(
    name="EXPORT",
    family="exports",
    sentence="Hands out the media of one recording.",
    parameters=(p.UNIQUEFIELD, p.UNIQUEID, p.MEDIA_FORMAT, p.ENCRYPT, p.PASSWORD),
    requires=(
        needs("UNIQUEFIELD", "UNIQUEID", "MEDIA_FORMAT"),
        needs(
            "PASSWORD",
            message="An encrypted CAV needs a PASSWORD",
            when=(When(name="ENCRYPT", values=("Y",)), When(name="MEDIA_FORMAT", values=("CAV",))),
        ),
    ),
    returns=(NO_FILE, FORMAT, NO_SPACE, OVER_TCP, DATABASE),
    doors=HTTP_ONLY,
    notes=(
        "On success the answer is the media itself, as an attachment.",
        "When several recordings match, the newest is taken.",
        "ENCRYPT and PASSWORD concern CAV only; with another format they are ignored.",
    ),
    example=(("UNIQUEFIELD", "user2"), ("UNIQUEID", "10121968"), ("MEDIA_FORMAT", "MP3")),
    done=True,
)


def _several(name: str, sentence: str, note: str) -> Command:
    return Command(
        name=name,
        family="exports",
        sentence=sentence,
        parameters=(p.IDENT, p.MEDIA_FORMAT),
        requires=(needs("IDENT", "MEDIA_FORMAT"),),
        returns=(NO_FILE, FORMAT, NO_SPACE, OVER_TCP, DATABASE),
        doors=HTTP_ONLY,
        notes=(
            "On success the answer is the media itself, as an attachment.",
            note,
            "One that is not there refuses the whole, unless the setting `export_skip_missing` leaves it out.",
        ),
        example=(("IDENT", "10121967,10121968,10121969"), ("MEDIA_FORMAT", "MP3")),
        done=True,
    )


COMBINEDEXPORT = _several(
    "COMBINEDEXPORT",
    "Hands out several recordings joined into one file.",
    "They follow each other by ascending record number.",
)
MULTIEXPORT = _several("MULTIEXPORT", "Hands out several recordings in one ZIP file.", "One file per recording.")

COMMANDS = (EXPORT, COMBINEDEXPORT, MULTIEXPORT)
