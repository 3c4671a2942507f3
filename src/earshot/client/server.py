"""Where the server is, and how patient to be with it: one value for all doors.

The one rule: a token or password is never part of `repr`, of an error or of a URL.
"""

import ssl
from dataclasses import dataclass, field

PLAIN_PORTS = (5620, 5621, 2012)
TLS_PORTS = (5622, 5623, 2013)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """`tls` True trusts what this machine trusts; a context trusts what it says. Ports of 0 are the usual ones.

    `token` is the token that all clients of the protocol share; `bearer` is an API token of a person (`est_...`), for
    HTTP. `timeout_s` is for one answer, `connect_s` for one connection, `export_s` for the next bytes of an export.
    A server that is away is tried for `patience_s` seconds, first after `first_pause_s`, then after twice as long each
    time, at most `longest_pause_s`.
    """

    host: str = "127.0.0.1"
    api_port: int = 0
    events_port: int = 0
    http_port: int = 0
    tls: bool | ssl.SSLContext = False
    token: str = field(default="", repr=False)
    bearer: str = field(default="", repr=False)
    timeout_s: float = 30.0
    connect_s: float = 5.0
    export_s: float = 900.0
    patience_s: float = 20.0
    first_pause_s: float = 0.1
    longest_pause_s: float = 5.0

    @property
    def context(self) -> ssl.SSLContext | None:
        """What TLS trusts; None for none."""
        if isinstance(self.tls, ssl.SSLContext):
            return self.tls
        return ssl.create_default_context() if self.tls else None

    @property
    def ports(self) -> tuple[int, int, int]:
        """The ports of the API, the events and HTTP."""
        usual = TLS_PORTS if self.tls else PLAIN_PORTS
        return self.api_port or usual[0], self.events_port or usual[1], self.http_port or usual[2]

    @property
    def url(self) -> str:
        """The base of URLs, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.ports[2]}"

    def pause(self, attempt: int) -> float:
        """Seconds to wait after the failure of attempt number `attempt`, counted from 0."""
        return float(min(self.longest_pause_s, self.first_pause_s * 2 ** min(attempt, 30)))
