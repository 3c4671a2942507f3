"""The settings: one model, read from the command line, EARSHOT_... variables and a TOML file, in that order of weight.

Every setting has one name, the same in all three places. An unknown key is refused with the nearest known name,
because a misspelt setting that is silently ignored is a call that is silently not recorded.
"""

import difflib
import ipaddress
import json
import os
import re
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, get_origin
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from earshot.errors import BadInput, ConfigurationError
from earshot.post.addresses import checked_address, checked_text

ENV_PREFIX = "EARSHOT_"


class Settings(BaseSettings):
    """All settings of `earshot serve`. Defaults are safe: everything listens on loopback only."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, extra="forbid", frozen=True, enable_decoding=False)

    data_dir: Path = Field(Path("data"), description="Folder of the journal, the recordings and the database.")
    host: str = Field("127.0.0.1", description="Address every listener binds to.")
    api_port: int = Field(5620, ge=0, le=65535, description="TCP port of the XML protocol; 0 for any free port.")
    events_port: int = Field(5621, ge=0, le=65535, description="TCP port of the events.")
    http_port: int = Field(2012, ge=0, le=65535, description="Port of webAPI.aspx and of the pages.")
    sip_port: int = Field(5060, ge=0, le=65535, description="SIP port, UDP and TCP.")
    rtp_ports: str = Field("20000-29999", description="UDP ports for sound, FIRST-LAST.")
    rtp_capture: Literal["sockets", "ring"] = Field(
        "sockets",
        description="How sound is heard: by a socket for each port, or by one packet `ring`, for about half of the "
        "processor time; that needs the right CAP_NET_RAW and `host` to be one IPv4 address.",
    )
    rtp_ring_mb: int = Field(
        256, ge=16, le=65536, description="Size of the packet ring in MB; of 2,000 calls it holds about 1.3 s."
    )
    allow: list[str] = Field(
        default_factory=list,
        description="Networks (CIDR) whose clients may use the XML protocol, webAPI.aspx, events and SIP. "
        "Required when `host` is not a loopback address.",
    )
    allow_api: list[str] = Field(default_factory=list, description="The same for the XML port alone; empty: `allow`.")
    allow_events: list[str] = Field(default_factory=list, description="The same for events; empty: `allow`.")
    allow_http_api: list[str] = Field(default_factory=list, description="The same for webAPI.aspx; empty: `allow`.")
    allow_sip: list[str] = Field(default_factory=list, description="The same for SIP; empty: `allow`.")
    api_token: SecretStr = Field(
        SecretStr(""),
        description="Token (16 characters or more) that each request of the XML protocol, webAPI.aspx and the event "
        "port must bring as TOKEN or APITOKEN; empty: none.",
    )
    tls_certificate: Path | None = Field(
        None, description="PEM file of the certificate and its chain; with it the TLS ports below are opened too."
    )
    tls_key: Path | None = Field(None, description="PEM file of its key; empty: it is in `tls_certificate`.")
    api_tls_port: int = Field(5622, ge=-1, le=65535, description="XML protocol over TLS; -1 for none.")
    events_tls_port: int = Field(5623, ge=-1, le=65535, description="Events over TLS; -1 for none.")
    https_port: int = Field(2013, ge=-1, le=65535, description="webAPI.aspx and pages over TLS; -1 for none.")
    session_hours: float = Field(12.0, gt=0, le=720, description="Hours after which somebody must log in again.")
    session_idle_minutes: float = Field(60.0, gt=0, description="Minutes after which a login that is not used ends.")
    advertise_host: str = Field("", description="Address written into SDP and Contact when it differs from `host`.")
    core: int = Field(1, ge=1, description="Number of this recorder core (COREIDENT).")
    channels: int = Field(2000, ge=1, description="How many calls this core records at a time; more are refused.")
    boards: list[str] = Field(
        default_factory=list,
        description="Voice boards instead of `channels`: NAME:COUNT, NAME:COUNT:device=555, NAME:COUNT:kind=on_demand.",
    )
    preempt_by_priority: bool = Field(
        False, description="A call of higher priority takes the channel of a lower one when all are busy."
    )
    database_url: str = Field("", description="SQLAlchemy URL; empty means SQLite in `data_dir`.")
    time_zone: str = Field("", description="Zone of times in answers and file names; empty means this machine's.")
    flush_ms: int = Field(250, ge=10, le=5000, description="Milliseconds between two writes of the journal.")
    port_cooldown_s: float = Field(10.0, ge=0, description="Seconds a freed RTP port rests before it is used again.")
    media_timeout_s: float = Field(300.0, gt=0, description="Seconds of silence on the wire that end a call.")
    hold_timeout_s: float = Field(14400.0, gt=0, description="The same for a call that was put on hold.")
    resume_timeout_s: float = Field(60.0, gt=0, description="Seconds after a restart in which sound must come back.")
    longest_call_s: float = Field(86400.0, gt=0, description="A call that nobody ends is ended after this long.")
    longest_blackout_s: float = Field(
        3600.0, ge=0, description="A blackout that nobody stops ends after this many seconds; 0 for never."
    )
    blackout_mode: Literal["remove", "hide"] = Field(
        "remove",
        description="What blackouts do: `remove` the sound for good, or `hide` it from all without HEARINGBLACKOUTS.",
    )
    extension_pattern: str = Field(r"\d{2,6}", description="What an extension of ours looks like (a whole match).")
    disk_reserve_mb: int = Field(1024, ge=0, description="Below this much free disk no new recording begins.")
    seal_workers: int = Field(
        0, ge=0, le=64, description="Processes that seal finished calls; 0: one for each two processor cores."
    )
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
    webhook_timeout_s: float = Field(10.0, gt=0, le=120, description="Seconds a webhook's receiver has for an answer.")
    webhook_retry_s: float = Field(1.0, gt=0, description="Seconds before the first retry; doubles up to ten minutes.")
    webhook_attempts: int = Field(20, ge=1, description="A delivery that failed so often is dead until it is retried.")
    webhook_networks: list[str] = Field(
        default_factory=list, description="Networks (CIDR) webhooks may go to; empty means everywhere."
    )
    export_workers: int = Field(1, ge=1, le=64, description="Exports that are made at a time, at low priority.")
    export_cache_mb: int = Field(2048, ge=0, description="Megabytes of finished exports that are kept for the next.")
    export_most_recordings: int = Field(1000, ge=1, description="Recordings that one export may have.")
    export_skip_missing: bool = Field(
        False, description="Leave recordings that are not there out of an export of several; else it is refused."
    )
    error_resulttype: Literal["label", "ERROR"] = Field("label", description="RESULTTYPE of errors.")
    strict_legacy: bool = Field(False, description="Leave out result tags that the specification does not show.")
    channel_state_style: Literal["word", "number"] = Field("word", description="How CHANNELS shows STATE.")
    smtp_host: str = Field("", description="Mail server that EMAIL and COMBINEDEMAIL hand mail to; empty: none.")
    smtp_port: int = Field(0, ge=0, le=65535, description="Its port; 0 means 25, 587 or 465 by `smtp_security`.")
    smtp_security: Literal["none", "starttls", "tls"] = Field("starttls", description="How the connection is guarded.")
    smtp_ca_file: str = Field("", description="PEM file of the authority behind its certificate; empty: the system's.")
    smtp_user: str = Field("", description="User name to log in with; empty: no login.")
    smtp_password: SecretStr = Field(SecretStr(""), description="Password to log in with.")
    smtp_from: str = Field("", description="Address mail comes from. Required with `smtp_host`.")
    smtp_from_name: str = Field("Earshot", description="Name mail comes from.")
    smtp_from_domains: list[str] = Field(
        default_factory=list,
        description="Domains a caller may use in FROMADDRESS, `*.domain` for all below; empty: that of `smtp_from`.",
    )
    smtp_from_outside: Literal["reply_to", "refuse"] = Field(
        "reply_to", description="A FROMADDRESS elsewhere becomes Reply-To of a mail from `smtp_from`, or is refused."
    )
    smtp_timeout_s: float = Field(60.0, gt=0, description="Seconds to wait for each answer of the mail server.")
    mail_max_mb: int = Field(25, ge=1, le=1000, description="Largest mail, attachment as sent (a third larger).")
    mail_to_domains: list[str] = Field(
        default_factory=list, description="Domains mail may go to, `*.domain` for all below; empty: everywhere."
    )
    mail_combined_format: Literal["WAV", "MP3", "VOX", "CAV"] = Field(
        "MP3", description="Format of a COMBINEDEMAIL that names none."
    )
    mail_handoff_s: float = Field(10.0, ge=0, description="Seconds EMAIL waits for the mail server before `queued`.")
    mail_retry_s: float = Field(30.0, gt=0, description="Seconds until a mail that was not taken is tried again.")
    mail_retry_longest_s: float = Field(900.0, gt=0, description="That wait doubles each time, up to this.")
    mail_give_up_h: float = Field(96.0, gt=0, description="Hours after which a mail that was never taken is given up.")
    mail_kept_days: float = Field(30.0, gt=0, description="Days that sent mail stays on the list.")
    longest_chat_s: float = Field(86400.0, gt=0, description="A screen session nobody ends is ended after this long.")
    chat_keep_days: int = Field(-1, ge=-1, description="KEEPDAYS of screen sessions that are given none; -1 is unset.")
    chat_archive_action: int = Field(-1, ge=-1, description="ARCHIVEACTION of such sessions; -1 is unset.")
    keep_days: int = Field(
        -1, ge=-1, description="Days a recording is kept whose call brings no KEEPDAYS; -1 is for ever."
    )
    archive_action: int = Field(
        1, ge=1, description="What is done then to recordings without an ARCHIVEACTION; 1 is Purge."
    )
    retention_interval_s: float = Field(60.0, gt=0, description="Seconds between two rounds of retention.")
    retention_batch: int = Field(200, ge=1, le=1000, description="Recordings that a round removes at a time.")
    retention_limit: int = Field(0, ge=0, description="Recordings that a round removes at most; 0 for no limit.")
    retention_free_mb: int = Field(
        0, ge=0, description="Below this much free disk the oldest recordings are removed early; 0 for never."
    )
    retention_clock_jump_h: float = Field(
        168.0, gt=0, description="A clock that runs ahead by more hours than this pauses removal until it is confirmed."
    )
    s3_endpoint: str = Field("", description="URL of the object store that `s3://` archives are in; empty: AWS.")
    s3_region: str = Field("", description="Region of its buckets; empty: AWS_REGION, else us-east-1.")
    s3_access_key: str = Field(
        "", description="Access key; empty: AWS_ACCESS_KEY_ID and the other variables of AWS, or the machine's role."
    )
    s3_secret_key: SecretStr = Field(SecretStr(""), description="Its secret.")
    s3_path_style: bool = Field(True, description="The bucket is in the path of URLs; else in the host name.")
    s3_allow_http: bool = Field(
        False, description="Let `s3_endpoint` be http: on another machine: everybody on the way can read."
    )
    s3_ca_file: Path | None = Field(
        None, description="PEM file of the authority behind its certificate, beside the system's."
    )
    s3_timeout_s: float = Field(30.0, gt=0, le=600, description="Seconds that each request to it may take.")
    desktop_away_s: float = Field(90.0, gt=0, description="A desktop agent silent for this long is AWAY.")
    ledger_key: Path | None = Field(
        None, description="PEM file of the Ed25519 key that signs the ledger; empty: made in `data_dir`/keys."
    )
    ledger_origin: str = Field(
        "", pattern=r"^[!-*,-~]{0,200}$", description="Name of the ledger in its checkpoints; empty: by its key."
    )
    master_key_file: Path | None = Field(
        None, description="File of the master key that encrypts everything recorded (32 bytes, hex or base64)."
    )
    master_key_env: str = Field("", description="The same: name of the environment variable that holds it.")
    master_key_command: str = Field("", description="The same: command that prints it, run without a shell.")
    master_keys_old: list[Path] = Field(
        default_factory=list, description="Files of earlier master keys, until `earshot key rotate` is through."
    )
    vcon_key: Path | None = Field(
        None, description="PEM file of the RSA key and certificates that sign vCons; empty: made in `data_dir`/keys."
    )
    vcon_domain: str = Field(
        "", description="DNS name in identifiers and the certificate of vCons; empty: by `public_url`."
    )
    simulated_desktops: list[str] = Field(
        default_factory=list,
        description="Desktops, COMPUTER\\USER each, that this process plays itself, to try screen sessions out.",
    )
    import_password_required: bool = Field(False, description="Refuse an IMPORTUSER that adds a user without PASSWORD.")
    strict_locations: bool = Field(False, description="Refuse IMPORTWORKSTATION for a LOCATIONID not in the list.")
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

    @field_validator("api_token")
    @classmethod
    def _api_token(cls, value: SecretStr) -> SecretStr:
        token = value.get_secret_value()
        if token and (len(token) < 16 or not token.isascii() or not token.isprintable() or token != token.strip()):
            raise ValueError("a token has 16 or more characters of ASCII, none of them blank at its ends")
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _listed(cls, value: Any, info: ValidationInfo) -> Any:
        """A list in a variable: as JSON, or with commas between."""
        is_list = get_origin(cls.model_fields[str(info.field_name)].annotation) is list
        if not is_list or not isinstance(value, str):
            return value
        if value.lstrip().startswith("["):
            return json.loads(value)
        return [one.strip() for one in value.split(",") if one.strip()]

    @field_validator("allow", "allow_api", "allow_events", "allow_http_api", "allow_sip", "webhook_networks")
    @classmethod
    def _allow(cls, value: list[str]) -> list[str]:
        for network in value:
            ipaddress.ip_network(network, strict=False)
        return value

    @field_validator("time_zone")
    @classmethod
    def _time_zone(cls, value: str) -> str:
        try:
            if value:
                ZoneInfo(value)
        except (KeyError, OSError):
            raise ValueError("no time zone of that name is known here; one is Europe/Berlin") from None
        return value

    @field_validator("extension_pattern")
    @classmethod
    def _pattern(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as wrong:
            raise ValueError(f"not a regular expression: {wrong}") from None
        return value

    @model_validator(mode="after")
    def _wide_needs_a_list(self) -> "Settings":
        each = (self.allow_api, self.allow_events, self.allow_http_api, self.allow_sip)
        if not self.is_loopback and not self.allow and not all(each):
            raise ValueError(
                f"host {self.host} is reachable from other machines: name who may use the protocol, "
                f'such as allow = ["10.0.0.0/8"]'
            )
        return self

    @model_validator(mode="after")
    def _ring_needs_an_address(self) -> "Settings":
        try:
            hears = not ipaddress.IPv4Address(self.host).is_unspecified
        except ValueError:
            hears = False
        if self.rtp_capture == "ring" and not hears:
            raise ValueError(f"rtp_capture = ring hears one IPv4 address: host {self.host} is none")
        return self

    @model_validator(mode="after")
    def _mail(self) -> "Settings":
        try:
            checked_text(self.smtp_from_name, "smtp_from_name")
            if self.smtp_from or self.smtp_host:
                checked_address(self.smtp_from)
        except BadInput as wrong:
            raise ValueError(f"smtp_host needs smtp_from, an address of ours: {wrong}") from None
        in_house = self.smtp_host in ("localhost", "127.0.0.1", "::1")
        if self.smtp_user and self.smtp_security == "none" and not in_house:
            raise ValueError("smtp_password would travel in the clear: set smtp_security to starttls or tls")
        return self

    @model_validator(mode="after")
    def _s3(self) -> "Settings":
        if bool(self.s3_access_key) != bool(self.s3_secret_key.get_secret_value()):
            raise ValueError("s3_access_key and s3_secret_key go together")
        if not self.s3_endpoint:
            return self
        match = re.fullmatch(r"(https?)://(\[[0-9a-fA-F:.]+\]|[\w.-]+)(:\d{1,5})?/?", self.s3_endpoint)
        if match is None:
            raise ValueError("s3_endpoint is a URL such as https://minio.example:9000")
        if match[1] == "http" and not self.s3_allow_http and not _is_loopback(match[2].strip("[]")):
            raise ValueError("s3_endpoint is http: to another machine; use https:, or set s3_allow_http")
        return self

    @property
    def is_loopback(self) -> bool:
        """Whether the listeners can be reached from this machine only."""
        return _is_loopback(self.host)

    @property
    def sealing_processes(self) -> int:
        """How many processes seal: as `seal_workers` says, or one for each two cores that this process may use."""
        return self.seal_workers or max(1, len(os.sched_getaffinity(0)) // 2)

    @property
    def rtp_range(self) -> tuple[int, int]:
        """First and last RTP port."""
        first, _, last = self.rtp_ports.partition("-")
        return int(first), int(last)

    def may_connect(self, address: str, listed: Sequence[str] = ()) -> bool:
        """Whether a client at `address` may speak the protocol: loopback always, else by the networks `listed`, or by
        the allow-list where none are."""
        try:
            client = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(client, ipaddress.IPv6Address) and client.ipv4_mapped is not None:
            client = client.ipv4_mapped
        networks = listed or self.allow
        return client.is_loopback or any(client in ipaddress.ip_network(one, strict=False) for one in networks)

    def allowed_at(self, door: Literal["api", "events", "http_api", "sip"]) -> Callable[[str], bool]:
        """Whether a client at an address may use that listener."""
        listed = {
            "api": self.allow_api,
            "events": self.allow_events,
            "http_api": self.allow_http_api,
            "sip": self.allow_sip,
        }[door]
        return lambda address: self.may_connect(address, listed)

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


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


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
    if "password" in where:
        return f"{where}: {message}"
    if not where:
        return message
    is_secret = re.search(r"(?i)token|passw|secret", where)
    return f"{where}: {message}" if is_secret else f"{where}: {message} (given: {error['input']!r})"
