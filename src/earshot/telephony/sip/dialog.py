"""A dialog (RFC 3261 section 12) as a value that survives a restart of the process.

Not here: transactions, timers, sockets. The one rule: everything that answering in this dialog later needs is in
`to_state()`, and nothing in it is a time, because clocks do not survive either: session timers begin anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, Literal, Self

Refresher = Literal["", "us", "them"]


@dataclass(frozen=True, slots=True)
class Peer:
    """Where a message came from or goes to. `transport` is udp or tcp, `connection_id` names the TCP connection."""

    transport: str
    host: str
    port: int
    connection_id: str = ""

    @property
    def reliable(self) -> bool:
        """Whether the transport delivers by itself (RFC 3261 section 17)."""
        return self.transport != "udp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialog:
    """One dialog, seen from us. URIs are header values without tags; `remote_target` and `route_set` are URIs.

    `local_sdp` is what we sent last and `remote_sdp` what we got last; `sdp_version` is the version of ours.
    `ports` and `labels` hold one entry a media line of ours (port 0: refused). `session_expires_s` is 0 without a
    session timer (RFC 4028). `invite_branch` and `invite_cseq` are those of the last INVITE. `application` is the
    caller's own, kept as it is; it must be JSON-able.
    """

    key: str
    call_id: str
    local_tag: str
    remote_tag: str
    local_uri: str
    remote_uri: str
    remote_target: str
    peer: Peer
    route_set: tuple[str, ...] = ()
    local_cseq: int = 0
    remote_cseq: int = 0
    invite_cseq: int = 0
    invite_branch: str = ""
    established: bool = False
    confirmed: bool = False
    awaits_answer: bool = False
    local_sdp: str = ""
    remote_sdp: str = ""
    sdp_version: int = 0
    ports: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()
    session_expires_s: int = 0
    refresher: Refresher = ""
    peer_allows_update: bool = False
    leniencies: Mapping[str, int] = field(default_factory=dict)
    application: Mapping[str, Any] = field(default_factory=dict)

    def changed(self, **changes: Any) -> Self:
        """A copy with these fields set."""
        return type(self)(**dict(zip(_NAMES, _VALUES(self), strict=True)) | changes)

    def counted(self, names: tuple[str, ...]) -> Self:
        """A copy in which these leniencies are counted."""
        if not names:
            return self
        counts = dict(self.leniencies)
        for name in names:
            counts[name] = counts.get(name, 0) + 1
        return self.changed(leniencies=counts)

    def to_state(self) -> dict[str, Any]:
        """The dialog as plain JSON-able values."""
        state: dict[str, Any] = dict(zip(_NAMES, _VALUES(self), strict=True))
        state["peer"] = [self.peer.transport, self.peer.host, self.peer.port, self.peer.connection_id]
        for name in ("route_set", "ports", "labels"):
            state[name] = list(state[name])
        for name in ("leniencies", "application"):
            state[name] = dict(state[name])
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The dialog of `to_state()`. Fields it does not know are left out, missing ones take their defaults."""
        values = {name: value for name, value in state.items() if name in _NAMES}
        values["peer"] = Peer(*state["peer"])
        for name in ("route_set", "ports", "labels"):
            values[name] = tuple(values.get(name, ()))
        return cls(**values)


_NAMES = tuple(item.name for item in fields(Dialog))
_VALUES = attrgetter(*_NAMES)
