"""Where webhooks may go: the form of a URL, and the networks its host may lie in.

The one rule: where networks are named, the connection goes to the very address that was checked, so that a name that
changes its meaning in between leads nowhere else.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from earshot.errors import BadInput

LONGEST_URL = 2_000


class NotAllowed(Exception):
    """The host of a URL lies in none of the networks that are allowed. The message says so."""


def checked_url(url: str) -> str:
    """`url` without blanks around it. Raises BadInput when it is not an http or https URL with a host and no login."""
    url = url.strip()
    if len(url) > LONGEST_URL or any(char <= " " or char == "\x7f" for char in url):
        raise BadInput(f"a URL has no blanks and at most {LONGEST_URL} characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as wrong:
        raise BadInput(f"{url} is not a URL: {wrong}") from None
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise BadInput(f"{url} must begin with http:// or https:// and name a host")
    if parts.username is not None or parts.password is not None:
        raise BadInput("a URL with a user name or password would end up in logs: the signature says who sent it")
    if parts.fragment or port == 0:
        raise BadInput(f"{url} must have neither a fragment nor port 0")
    return url


@dataclass(frozen=True, slots=True)
class Targets:
    """The networks (CIDR) webhooks may go to; none means everywhere."""

    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()

    @classmethod
    def of(cls, networks: Sequence[str]) -> "Targets":
        """From the setting. Raises ValueError for what is no network."""
        return cls(tuple(ipaddress.ip_network(one, strict=False) for one in networks))

    async def address_for(self, host: str, port: int) -> str:
        """The numeric address to connect to; empty when any will do. Raises NotAllowed, OSError."""
        if not self.networks:
            return ""
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for *_, address in found:
            if self.allows(str(address[0])):
                return str(address[0])
        raise NotAllowed(f"{host} is in none of the networks that webhooks may go to")

    def allows(self, address: str) -> bool:
        """Whether that numeric address lies in one of the networks."""
        one = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(one, ipaddress.IPv6Address) and one.ipv4_mapped is not None:
            one = one.ipv4_mapped
        return not self.networks or any(one in network for network in self.networks)
