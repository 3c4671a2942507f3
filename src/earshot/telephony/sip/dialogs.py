"""The dialogs that are open, and which of them a request belongs to (RFC 3261 section 12.2.2).

Not here: what happens in a dialog (uas.py). The one rule: our own tag decides; where clients leave it out, the Call-ID
does, and that is noted.
"""

from collections.abc import Iterator

from earshot.telephony.sip.dialog import Dialog
from earshot.telephony.sip.headers import parse_name_addr, split_list
from earshot.telephony.sip.message import Headers
from earshot.telephony.sip.reading import Incoming


def remote_target_of(headers: Headers) -> str:
    """The URI of the first Contact, empty if there is none."""
    values = split_list(headers.all("Contact"))
    if not values:
        return ""
    opening = values[0].find("<")
    return values[0][opening + 1 :].partition(">")[0].strip() if opening >= 0 else values[0].partition(";")[0].strip()


def open_dialog(incoming: Incoming, local_tag: str) -> Dialog:
    """The dialog that a new INVITE begins, in its early state (RFC 3261 section 12.1.1)."""
    headers = incoming.request.headers
    routes = [parse_name_addr(value).uri for value in split_list(headers.all("Record-Route")) if value.strip("<> ")]
    return Dialog(
        key=f"{incoming.call_id};{local_tag}",
        call_id=incoming.call_id,
        local_tag=local_tag,
        remote_tag=incoming.sender.tag,
        local_uri=str(incoming.to.with_tag("")),
        remote_uri=str(incoming.sender.with_tag("")),
        remote_target=remote_target_of(headers) or incoming.sender.uri,
        peer=incoming.peer,
        route_set=tuple(routes),
        remote_cseq=incoming.cseq.number,
        invite_cseq=incoming.cseq.number,
        invite_branch=incoming.via.branch,
        peer_allows_update="UPDATE" in headers.first("Allow").upper(),
    )


class Dialogs:
    """Open dialogs by key, and by Call-ID."""

    def __init__(self) -> None:
        self._by_key: dict[str, Dialog] = {}
        self._keys: dict[str, list[str]] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def __iter__(self) -> Iterator[Dialog]:
        return iter(list(self._by_key.values()))

    def get(self, key: str) -> Dialog | None:
        """The dialog of that key."""
        return self._by_key.get(key)

    def put(self, dialog: Dialog) -> Dialog:
        """Keep the dialog, new or changed."""
        if dialog.key not in self._by_key:
            self._keys.setdefault(dialog.call_id, []).append(dialog.key)
        self._by_key[dialog.key] = dialog
        return dialog

    def remove(self, key: str) -> Dialog | None:
        """Forget the dialog."""
        dialog = self._by_key.pop(key, None)
        if dialog is not None:
            keys = self._keys[dialog.call_id]
            keys.remove(key)
            if not keys:
                del self._keys[dialog.call_id]
        return dialog

    def same_call(self, call_id: str, remote_tag: str) -> Dialog | None:
        """The dialog that this sender began under this Call-ID."""
        for key in self._keys.get(call_id, ()):
            if self._by_key[key].remote_tag == remote_tag:
                return self._by_key[key]
        return None

    def find(self, incoming: Incoming) -> tuple[Dialog | None, tuple[str, ...]]:
        """The dialog a request belongs to, with the names of what was overlooked in finding it."""
        candidates = [self._by_key[key] for key in self._keys.get(incoming.call_id, ())]
        tag = incoming.to.tag
        for dialog in candidates:
            if tag == dialog.local_tag:
                changed = incoming.sender.tag != dialog.remote_tag
                return dialog, (("from_tag_changed",) if changed else ())
        if tag or not candidates:
            return None, ()
        same_sender = [dialog for dialog in candidates if dialog.remote_tag == incoming.sender.tag]
        return (same_sender or candidates)[-1], ("no_to_tag",)
