"""The settings of object storage: what is refused, and what the library is told."""

from pathlib import Path
from typing import Any

import pytest

from earshot.config import load
from earshot.errors import ConfigurationError
from earshot.premises import object_access
from earshot.storage.objects import Bucket, opened

KEY: dict[str, Any] = {"s3_access_key": "key", "s3_secret_key": "a-secret-that-nobody-reads"}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"s3_access_key": "key"}, "s3_access_key and s3_secret_key go together"),
        ({"s3_secret_key": "secret"}, "s3_access_key and s3_secret_key go together"),
        ({"s3_endpoint": "minio:9000"}, "s3_endpoint is a URL"),
        ({"s3_endpoint": "ftp://minio"}, "s3_endpoint is a URL"),
        ({"s3_endpoint": "https://minio/path"}, "s3_endpoint is a URL"),
        ({"s3_endpoint": "https://me:word@minio"}, "s3_endpoint is a URL"),
        ({"s3_endpoint": "http://minio:9000"}, "set s3_allow_http"),
        ({"s3_endpoint": "http://127.0.0.1.example"}, "set s3_allow_http"),
        ({"s3_timeout_s": 0}, "s3_timeout_s"),
    ],
)
def test_what_is_refused(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence) as refused:
        load(**given)
    assert "secret-that" not in str(refused.value)


@pytest.mark.parametrize(
    ("endpoint", "given", "plain"),
    [
        ("", {}, False),
        ("https://minio:9000/", {}, False),
        ("http://127.0.0.1:9000", {}, True),
        ("http://[::1]:9000", {}, True),
        ("http://localhost", {}, True),
        ("http://minio:9000", {"s3_allow_http": True}, True),
    ],
)
def test_what_is_taken(endpoint: str, given: dict[str, Any], plain: bool) -> None:
    settings = load(s3_endpoint=endpoint, **KEY, **given)
    access = object_access(settings)
    assert (access.endpoint, access.allow_http, access.secret_key) == (endpoint, plain, KEY["s3_secret_key"])
    assert KEY["s3_secret_key"] not in repr(settings) + repr(access)


def test_where_the_bucket_is_said() -> None:
    for path_style, endpoint in ((True, "https://minio:9000"), (False, "https://attic.minio:9000")):
        access = object_access(load(s3_endpoint="https://minio:9000/", s3_path_style=path_style, **KEY))
        config = opened(Bucket("attic", "of"), access).config
        assert config["endpoint"] == endpoint
        assert str(config["virtual_hosted_style_request"]).lower() == str(not path_style).lower()


def test_authorities(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        object_access(load(s3_ca_file=tmp_path / "none.pem"))
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(ConfigurationError, match="No certificates found"):
        object_access(load(s3_ca_file=tmp_path / "ca.pem"))
