"""An object store of this process for tests: a server that speaks S3 on a port of 127.0.0.1, with buckets of its own.

What is in it lives as long as the process; a server that was stopped and is started again has it still.
"""

import functools
import itertools
from dataclasses import dataclass
from typing import Any

import httpx
from moto.server import ThreadedMotoServer
from obstore.store import S3Store
from tests.ports import free_port

from earshot.storage.objects import Bucket, ObjectAccess, opened

ACCESS_KEY = "the-access-key"
SECRET_KEY = "the-secret-of-the-access-key"
TIMEOUT_S = 5.0
_numbers = itertools.count(1)


class ObjectStore:
    """A running server, on a free port unless it is told which."""

    def __init__(self, port: int | None = None) -> None:
        self.port = free_port() if port is None else port
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self._server.start()
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.url, trust_env=False, verify=False)

    def stop(self) -> None:
        """It can be reached no more."""
        self.http.close()
        self._server.stop()

    @property
    def access(self) -> ObjectAccess:
        """How it is reached."""
        return ObjectAccess(
            endpoint=self.url,
            region="us-east-1",
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            allow_http=True,
            timeout_s=TIMEOUT_S,
        )

    @property
    def settings(self) -> dict[str, Any]:
        """The same as settings of a server."""
        return {
            "s3_endpoint": self.url,
            "s3_region": "us-east-1",
            "s3_access_key": ACCESS_KEY,
            "s3_secret_key": SECRET_KEY,
            "s3_timeout_s": TIMEOUT_S,
        }

    @functools.cache  # noqa: B019 as many as there are servers
    def shared(self) -> "TestedBucket":
        """One bucket for all who use no more of it than a prefix of their own."""
        return self.made()

    def made(self) -> "TestedBucket":
        """A bucket that is empty."""
        name = f"bucket-{next(_numbers)}"
        self.http.put(f"/{name}").raise_for_status()
        return TestedBucket(self, name)


@dataclass(frozen=True, slots=True)
class TestedBucket:
    """A bucket as a test looks into it."""

    __test__ = False
    store: ObjectStore
    name: str

    @property
    def destination(self) -> str:
        """What an archive action has as its destination."""
        return f"s3://{self.name}/of/earshot"

    @property
    def raw(self) -> S3Store:
        """All that is in it."""
        return opened(Bucket(self.name), self.store.access)

    def content(self) -> dict[str, bytes]:
        """Every object with its bytes."""
        found = [one["path"] for some in self.raw.list() for one in some]
        return {path: bytes(self.raw.get(path).bytes()) for path in found}

    def version(self, status: str) -> None:
        """Have it keep old versions: Enabled, or Suspended."""
        body = f"<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>"
        self.store.http.put(f"/{self.name}?versioning", content=body).raise_for_status()

    def versions(self) -> str:
        """What the server says of old versions, as XML."""
        return self.store.http.get(f"/{self.name}?versions").raise_for_status().text
