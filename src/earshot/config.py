"""The settings: one model, read from the command line, EARSHOT_... variables and a TOML file, in that order of weight.

Every setting has one name, the same in all three places. An unknown key is refused with the nearest known name,
because a misspelt setting that is silently ignored is a call that is silently not recorded.
"""

import difflib
import ipaddress
import os
import re
import tomllib
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from earshot.errors import ConfigurationError

ENV_PREFIX = "EARSHOT_"


class Settings(BaseSettings):
    """All settings of `earshot serve`. Defaults are safe: everything listens on loopback only."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, extra="forbid", frozen=True)

    data_dir: Path = Field(Path("data"), description="Folder of the journal, the recordings and the database.")
    host: str = Field("127.0.0.1", description="Address every listener binds to.")
    api_port: int = Field(5620, ge=0, le=65535, description="TCP port of the XML protocol; 0 for any free port.")
    events_port: int = Field(5621, ge=0, le=65535, description="TCP port of the events.")
    http_port: int = Field(2012, ge=0, le=65535, description="Port of webAPI.aspx and of the pages.")
    sip_port: int = Field(5060, ge=0, le=65535, description="SIP port, UDP and TCP.")
    rtp_ports: str = Field("20000-29999", description="UDP ports for sound, FIRST-LAST.")
    allow: list[str] = Field(
        default_factory=list,
        description="Networks (CIDR) whose clients may use the XML protocol, webAPI.aspx, events and SIP. "
        "Required when `host` is not a loopback address.",
    )
    advertise_host: str = Field("", description="Address written into SDP and Contact when it differs from `host`.")
    core: int = Field(1, ge=1, description="Number of this recorder core (COREIDENT).")
    channels: int = Field(2000, ge=1, description="How many calls this core records at a time; more are refused.")
    database_url: str = Field("", description="SQLAlchemy URL; empty means SQLite in `data_dir`.")
    time_zone: str = Field("", description="Zone of times in answers and file names; empty means this machine's.")
    flush_ms: int = Field(250, ge=10, le=5000, description="Milliseconds between two writes of the journal.")
    port_cooldown_s: float = Field(10.0, ge=0, description="Seconds a freed RTP port rests before it is used again.")
    media_timeout_s: float = Field(300.0, gt=0, description="Seconds of silence on the wire that end a call.")
    hold_timeout_s: float = Field(14400.0, gt=0, description="The same for a call that was put on hold.")
    resume_timeout_s: float = Field(60.0, gt=0, description="Seconds after a restart in which sound must come back.")
    longest_call_s: float = Field(86400.0, gt=0, description="A call that nobody ends is ended after this long.")
    extension_pattern: str = Field(r"\d{2,6}", description="What an extension of ours looks like (a whole match).")
    disk_reserve_mb: int = Field(1024, ge=0, description="Below this much free disk no new recording begins.")
    seal_workers: int = Field(1, ge=1, le=64, description="Processes that seal finished calls.")
    short_s: float = Field(2.0, ge=0, description="A recording shorter than this gets the warning `short`.")
    silent_dbfs: float = Field(-60.0, le=0, description="A side that never gets louder than this is `silent`.")
    lossy_percent: float = Field(2.0, ge=0, description="More lost packets than this on a leg is `lossy`.")
    max_message_bytes: int = Field(1 << 20, ge=1024, description="Largest request of the XML protocol.")
    message_timeout_s: float = Field(15.0, gt=0, description="An unfinished request is dropped after this long.")
    connection_timeout_s: float = Field(3600.0, gt=0, description="An idle connection is closed after this long.")
    calllist_limit: int = Field(1000, ge=1, description="Rows of a CALLLIST that names no CALLCOUNT, and its ceiling.")
    playback_links: bool = Field(True, description="Whether CALLLIST may return PLAYBACKLINK.")
    public_url: str = Field("", description="How people reach the pages, for links; empty means by `host` and port.")
    recording_path: str = Field("C:\\Recordings\\", description="What FILENAME and RECORDINGPATH begin with.")
    error_resulttype: Literal["label", "ERROR"] = Field("label", description="RESULTTYPE of errors.")
    strict_legacy: bool = Field(False, description="Leave out result tags that the specification does not show.")
    channel_state_style: Literal["word", "number"] = Field("word", description="How CHANNELS shows STATE.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="What is logged.")
    log_format: Literal["text", "json"] = Field("text", description="How it is logged.")

    @field_validator("rtp_ports")
    @classmethod
    def _rtp_ports(cls, value: str) -> str:
        match = re.fullmatch(r"(\d+)-(\d+)", value.strip())
        if match is None:
            raise ValueError("write FIRST-LAST, such as 20000-29999")
        first, last = int(match[1]), int(match[2])
        if not 1 <= first <= last <= 65535:
            raise ValueError("ports go from 1 to 65535, first to last")
        return f"{first}-{last}"

    @field_validator("allow")
    @classmethod
    def _allow(cls, value: list[str]) -> list[str]:
        for network in value:
            ipaddress.ip_network(network, strict=False)
        return value

    @field_validator("time_zone")
    @classmethod
    def _time_zone(cls, value: str) -> str:
        if value:
            ZoneInfo(value)
        return value

    @field_validator("extension_pattern")
    @classmethod
    def _pattern(cls, value: str) -> str:
        re.compile(value)
        return value

    @model_validator(mode="after")
    def _wide_needs_a_list(self) -> "Settings":
        if not self.is_loopback and not self.allow:
            raise ValueError(
                f"host {self.host} is reachable from other machines: name who may use the protocol, "
                f'such as allow = ["10.0.0.0/8"]'
            )
        return self

    @property
    def is_loopback(self) -> bool:
        """Whether the listeners can be reached from this machine only."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def rtp_range(self) -> tuple[int, int]:
        """First and last RTP port."""
        first, _, last = self.rtp_ports.partition("-")
        return int(first), int(last)

    def may_connect(self, address: str) -> bool:
        """Whether a client at `address` may speak the protocol: loopback always, else by the allow-list."""
        try:
            client = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(client, ipaddress.IPv6Address) and client.ipv4_mapped is not None:
            client = client.ipv4_mapped
        return client.is_loopback or any(client in ipaddress.ip_network(one, strict=False) for one in self.allow)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings


def load(file: Path | None = None, **given: Any) -> Settings:
    """The settings from `file` (TOML), the environment and `given` (None means not given).

    Raises ConfigurationError with one sentence per wrong setting.
    """
    from_file = _read(file) if file is not None else {}
    known = set(Settings.model_fields)
    _refuse_unknown(from_file, known, str(file))
    named = {name[len(ENV_PREFIX) :].lower() for name in os.environ if name.startswith(ENV_PREFIX)}
    _refuse_unknown(named, known, "the environment")
    weaker = {name: value for name, value in from_file.items() if name not in named}
    chosen = {**weaker, **{name: value for name, value in given.items() if value is not None}}
    try:
        return Settings(**chosen)
    except ValidationError as wrong:
        raise ConfigurationError("; ".join(_sentence(dict(error)) for error in wrong.errors())) from None


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is not TOML: {error}") from None


def _refuse_unknown(names: Any, known: set[str], where: str) -> None:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigurationError(f"unknown setting {name!r} in {where}{hint}")


def _sentence(error: dict[str, Any]) -> str:
    where = ".".join(str(part) for part in error["loc"])
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{where}: {message} (given: {error['input']!r})" if where else message
