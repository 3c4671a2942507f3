"""The shapes of SIPREC that real clients send, one a scenario, and what must become of each.

The one rule: an expectation is a literal, so that reading this table is reading what the recorder promises.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A scenario (its own name unless `scenario` says another) and its outcome.

    `ends` are the `end` keys of calls that come in several dialogs, one SIPp each. `voices` are the channels of the
    recording from left to right; empty when nothing is to be recorded. `warnings` are those of the verdict, without
    `lenient`; `leniencies` must all be counted. `parties` are the numbers of the participants, with DEVICE and CALLER
    for those of the case; `says` are columns of the call. `documents` counts the metadata that were kept, `held` says
    that a hold is marked. `verdict` is None where no call is signalled. `repeated` stands in SIPp's messages more than
    twice.
    """

    name: str
    scenario: str = ""
    transports: tuple[str, ...] = ("udp", "tcp")
    options: tuple[str, ...] = ()
    ends: tuple[str, ...] = ("",)
    voices: tuple[str, ...] = ("agent", "other")
    warnings: frozenset[str] = frozenset()
    leniencies: frozenset[str] = frozenset()
    parties: frozenset[str] = frozenset(("DEVICE", "CALLER"))
    documents: int = 1
    held: bool = False
    verdict: tuple[str, str] | None = ("recorded", "bye")
    repeated: str = ""
    says: dict[str, str] = field(default_factory=dict)


SHAPES = (
    Shape(name="basic_multipart", says={"ani": "DEVICE", "dnis": "CALLER"}),
    Shape(name="metadata_first_unquoted_boundary"),
    Shape(name="rs_metadata_plus_xml"),
    Shape(name="stray_boundary"),
    Shape(name="plain_sdp_only", documents=0, says={"ani": "DEVICE", "dnis": "CALLER"}),
    Shape(
        name="draft_metaswitch_mixed",
        voices=("mixed",),
        warnings=frozenset(("mixed",)),
        says={"ani": "CALLER", "dnis": "DEVICE", "calldirection": "I"},
    ),
    Shape(name="draft_oracle_large_labels", says={"ani": "CALLER", "dnis": "DEVICE", "calldirection": "I"}),
    Shape(
        name="broadworks_siprec_namespace",
        says={"ani": "CALLER", "dnis": "DEVICE", "calldirection": "I", "callid": "callhalf-DEVICE:0"},
    ),
    Shape(name="hold_by_zero_address", held=True),
    Shape(name="hold_by_inactive", held=True),
    Shape(
        name="transfer_full_metadata",
        parties=frozenset(("DEVICE", "CALLER", "6145559999")),
        documents=2,
    ),
    Shape(
        name="update_metadata_only",
        parties=frozenset(("DEVICE", "CALLER", "6145559998", "6145559997")),
        documents=3,
    ),
    Shape(
        name="streams_come_and_go",
        parties=frozenset(("DEVICE", "CALLER", "6145559996")),
        documents=2,
    ),
    Shape(name="built_in_bridge", ends=("near", "far"), documents=0),
    Shape(name="border_element_headers", documents=0, says={"ani": "CALLER", "dnis": "DEVICE"}),
    Shape(name="bye_without_to_tag", leniencies=frozenset(("no_to_tag",))),
    Shape(name="ack_wrong_cseq_method", leniencies=frozenset(("wrong_method_in_cseq",))),
    Shape(name="one_mixed_line", voices=("mixed",), warnings=frozenset(("mixed",))),
    Shape(name="codec_change"),
    Shape(name="payload_type_remapped"),
    Shape(name="second_codec_sent"),
    Shape(name="stream_changes_unannounced"),
    Shape(name="second_party_never_answered", voices=("agent", ""), warnings=frozenset(("one-sided",))),
    Shape(name="large_invite"),
    Shape(name="compact_lower_case_headers"),
    Shape(name="cseq_of_nine_digits", scenario="basic_multipart", options=("-base_cseq", "314159265")),
    Shape(name="call_id_without_host", scenario="basic_multipart", options=("-cid_str", "%u%p")),
    Shape(name="cancel_too_late"),
    Shape(name="session_timer"),
    Shape(name="lost_ack", transports=("udp",), repeated="CSeq: 1 INVITE"),
    Shape(name="options", voices=(), verdict=None),
    Shape(name="require_unknown", voices=(), verdict=("failed", "not_acceptable")),
    Shape(name="no_usable_codec", voices=(), verdict=("failed", "not_acceptable")),
    Shape(name="bye_of_unknown_dialog", voices=(), verdict=None),
)
