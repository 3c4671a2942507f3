"""Bodies of several parts (RFC 2046 section 5.1, RFC 5621), as session recording clients really write them.

Not here: what the parts mean. The one rule: every byte between two delimiters ends up in some part, and no body is
refused; `noted` names the departures.
"""

from dataclasses import dataclass

from earshot.telephony.sip.headers import param, parse_params
from earshot.telephony.sip.message import Headers

MAX_DEPTH = 3
MAX_PARTS = 32


@dataclass(frozen=True, slots=True)
class Part:
    """One part: `media_type` in lower case without parameters, empty when it was not said."""

    media_type: str
    headers: Headers
    body: bytes


def media_type_of(content_type: str) -> str:
    """`Application/SDP ; charset=x` as `application/sdp`."""
    return content_type.partition(";")[0].strip().lower().replace(" ", "")


def split(content_type: str, body: bytes, noted: list[str], depth: int = 0) -> list[Part]:
    """The parts of a multipart body, nested ones flattened. Names of accepted faults are appended to `noted`."""
    boundary = (param(parse_params(content_type.partition(";")[2]), "boundary") or "").strip()
    marker = b"--" + boundary.encode("utf-8", "replace")
    found = _delimiters(body, marker) if boundary else []
    if not found:
        marker = _first_dashed_line(body)
        found = _delimiters(body, marker) if marker else []
        noted.append("boundary_guessed" if found else "boundary_missing")
    chunks: list[bytes] = []
    for index, (_, after, final) in enumerate(found):
        if final:
            break
        if index + 1 < len(found):
            chunks.append(body[after : found[index + 1][0]])
        else:
            noted.append("no_final_boundary")
            chunks.append(body[after:])
    parts: list[Part] = []
    for part in [_part_of(chunk) for chunk in _joined(chunks, marker, noted)[:MAX_PARTS]]:
        if part.media_type.startswith("multipart/") and depth < MAX_DEPTH:
            parts += split(part.headers.first("Content-Type"), part.body, noted, depth + 1)
        else:
            parts.append(part)
    return parts


def _delimiters(body: bytes, marker: bytes) -> list[tuple[int, int, bool]]:
    """(where the delimiter begins, line end before it included; where its part begins; whether it is the last)."""
    found: list[tuple[int, int, bool]] = []
    place = body.find(marker)
    while place >= 0:
        line_end = body.find(b"\n", place)
        line_end = len(body) if line_end < 0 else line_end
        rest = body[place + len(marker) : line_end].strip(b" \t\r")
        if (place == 0 or body[place - 1 : place] == b"\n") and rest in (b"", b"--"):
            begin = place
            if begin and body[begin - 1 : begin] == b"\n":
                begin -= 2 if body[begin - 2 : begin - 1] == b"\r" else 1
            found.append((max(begin, found[-1][1] if found else 0), min(line_end + 1, len(body)), rest == b"--"))
        place = body.find(marker, place + 1)
    return found


def _first_dashed_line(body: bytes) -> bytes:
    for line in body.split(b"\n", 8)[:8]:
        line = line.strip()
        if line.startswith(b"--") and len(line) > 2:
            return line
    return b""


def _joined(chunks: list[bytes], marker: bytes, noted: list[str]) -> list[bytes]:
    """Chunks that begin like a part; a stray delimiter gives its text back to the part it cut in two."""
    joined: list[bytes] = []
    for chunk in chunks:
        if not chunk.strip():
            noted.append("stray_boundary")
            continue
        if joined and not _begins_a_part(chunk):
            noted.append("stray_boundary")
            joined[-1] += b"\r\n" + chunk
        else:
            joined.append(chunk)
    return joined


def _begins_a_part(chunk: bytes) -> bool:
    if chunk[:1] in (b"\r", b"\n"):
        return _sniffed(chunk.lstrip()) != ""
    first_line = chunk.split(b"\n", 1)[0]
    name, colon, _ = first_line.partition(b":")
    if colon and name.strip().lower().startswith((b"content-", b"mime-")):
        return True
    return _sniffed(chunk) != ""


def _part_of(chunk: bytes) -> Part:
    """Headers up to the first blank line, unless the chunk begins with its body at once."""
    head, body = b"", chunk
    if not _sniffed(chunk):
        if chunk.startswith(b"\r\n"):
            body = chunk[2:]
        elif chunk.startswith(b"\n"):
            body = chunk[1:]
        else:
            crlf, lf = chunk.find(b"\r\n\r\n"), chunk.find(b"\n\n")
            if crlf >= 0 and (lf < 0 or crlf < lf):
                head, body = chunk[:crlf], chunk[crlf + 4 :]
            elif lf >= 0:
                head, body = chunk[:lf], chunk[lf + 2 :]
            else:
                head, body = chunk, b""
    fields: list[tuple[str, str]] = []
    for line in head.decode("utf-8", "replace").splitlines():
        if line[:1] in (" ", "\t") and fields:
            fields[-1] = (fields[-1][0], f"{fields[-1][1]} {line.strip()}")
            continue
        name, colon, value = line.partition(":")
        if colon:
            name = "Content-Type" if name.strip().lower() == "c" else name.strip()
            fields.append((name, value.strip()))
    headers = Headers(fields)
    return Part(media_type_of(headers.first("Content-Type")) or _sniffed(body.lstrip()), headers, body)


def _sniffed(body: bytes) -> str:
    """What a body without a type looks like: SDP, recording metadata, or empty for anything else."""
    if body.startswith(b"v=0"):
        return "application/sdp"
    if body.startswith((b"<?xml", b"<recording", b"\xef\xbb\xbf<")):
        return "application/rs-metadata"
    return ""


def media_type_or_guess(content_type: str, body: bytes) -> str:
    """The type a body says it has, else the one it looks like."""
    return media_type_of(content_type) or _sniffed(body.lstrip())
