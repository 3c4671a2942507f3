"""Settings: from options, variables and a file, in this order; what is wrong is one sentence that names it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from earshot.config import Settings, load
from earshot.errors import ConfigurationError


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("EARSHOT_")]:
        monkeypatch.delenv(name)


def a_file(folder: Path, text: str) -> Path:
    file = folder / "earshot.toml"
    file.write_text(text)
    return file


def test_options_weigh_more_than_variables_and_these_more_than_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = a_file(tmp_path, "api_port = 1\nevents_port = 1\nhttp_port = 1\n")
    monkeypatch.setenv("EARSHOT_EVENTS_PORT", "2")
    monkeypatch.setenv("EARSHOT_HTTP_PORT", "2")
    made = load(file, http_port=3, sip_port=None)
    assert (made.api_port, made.events_port, made.http_port, made.sip_port) == (1, 2, 3, 5060)


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_a_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    default = Settings.model_fields[name].get_default(call_default_factory=True)
    if hasattr(default, "get_secret_value"):
        default = default.get_secret_value()
    said = json.dumps([str(one) for one in default]) if isinstance(default, list) else str(default)
    monkeypatch.setenv(f"EARSHOT_{name.upper()}", said)
    assert getattr(load(), name) == getattr(load(**{name: default}), name)


@pytest.mark.parametrize("said", ["10.0.0.0/8,::1", " 10.0.0.0/8 , ::1 ,", '["10.0.0.0/8", "::1"]'])
def test_a_list_in_a_variable(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARSHOT_ALLOW", said)
    made = load(host="0.0.0.0")
    assert made.allow == ["10.0.0.0/8", "::1"]
    assert made.may_connect("10.1.2.3") and not made.may_connect("192.168.1.1")


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"API_PROT": "1"}, "unknown setting 'api_prot' in the environment; did you mean 'api_port'?"),
        ({"API_PORT": "many"}, "api_port: Input should be a valid integer"),
        ({"API_PORT": "70000"}, "api_port: Input should be less than or equal to 65535"),
        ({"RTP_PORTS": "9-3"}, "rtp_ports: ports go from 1 to 65535, first to last"),
        ({"ALLOW": "office"}, "allow: 'office' does not appear to be an IPv4 or IPv6 network"),
        ({"ALLOW": '["10.0.0.0/8"'}, "allow: "),
        ({"TIME_ZONE": "Europe/Atlantis"}, "time_zone: no time zone of that name"),
        ({"TIME_ZONE": "Europe"}, "time_zone: no time zone of that name"),
        ({"TIME_ZONE": "../passwd"}, "time_zone: "),
        ({"EXTENSION_PATTERN": "("}, "extension_pattern: not a regular expression"),
        ({"RTP_CAPTURE": "ring", "HOST": "::1"}, "rtp_capture = ring hears one IPv4 address: host ::1 is none"),
        ({"RTP_CAPTURE": "ring", "HOST": "0.0.0.0", "ALLOW": "::1"}, "rtp_capture = ring hears one IPv4 address"),
        ({"HOST": "0.0.0.0"}, "is reachable from other machines: name who may use the protocol"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    variables: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"EARSHOT_{name}", value)
    with pytest.raises(ConfigurationError) as refused:
        load()
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_a_file_with_a_key_that_is_not_known_and_one_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"unknown setting 'keep_day' in .*did you mean 'keep_days'"):
        load(a_file(tmp_path, "keep_day = 7\n"))
    with pytest.raises(ConfigurationError, match="is not TOML"):
        load(a_file(tmp_path, "keep_days 7\n"))
    with pytest.raises(ConfigurationError, match="cannot read"):
        load(tmp_path / "nowhere.toml")


def test_secrets_are_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARSHOT_API_TOKEN", "short-secret")
    with pytest.raises(ConfigurationError, match="api_token") as refused:
        load()
    assert "short-secret" not in str(refused.value)


def test_one_sealing_process_for_each_two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, wanted in ((1, 1), (2, 1), (8, 4)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, cores=cores: set(range(cores)))
        assert load().sealing_processes == wanted
        assert load(seal_workers=3).sealing_processes == 3


def test_the_command_line_says_it_and_ends() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "earshot", "serve"],
        env={**os.environ, "EARSHOT_API_PROT": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0 and "did you mean 'api_port'" in done.stderr and "Traceback" not in done.stderr
