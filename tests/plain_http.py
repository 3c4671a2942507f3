"""HTTP clients of tests, for servers that speak no TLS: to read the certificates of every authority there is, as httpx
does for each client, takes longer than most tests."""

import ssl
from typing import Any

import httpx

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def http_client(**settings: Any) -> httpx.AsyncClient:
    """A client with these settings of httpx that trusts nobody."""
    return httpx.AsyncClient(verify=NO_TLS, **settings)
