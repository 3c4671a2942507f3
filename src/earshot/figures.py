"""Which figures /metrics shows, and where each is read. Reading them changes nothing."""

from collections.abc import Mapping

from earshot.api.metrics import Counts, Gauge
from earshot.core.recorder import Recorder
from earshot.core.sealing import Sealing
from earshot.journal.writer import JournalWriter
from earshot.listeners.rtp import RtpListener
from earshot.telephony.sip.uas import UserAgentServer


def gauges(recorder: Recorder, sealing: Sealing, rtp: RtpListener, writer: JournalWriter) -> list[Gauge]:
    """What goes up and down."""
    return [
        Gauge(name="channels_busy", meaning="Channels that record", read=lambda: recorder.busy.busy),
        Gauge(name="channels", meaning="Channels there are", read=lambda: len(recorder.busy.all)),
        Gauge(name="sessions", meaning="SIP dialogs that run", read=lambda: len(recorder.state.sessions)),
        Gauge(
            name="screen_sessions",
            meaning="Screen sessions that run",
            read=lambda: sum(chat.phase == "open" for chat in recorder.state.chats.values()),
        ),
        Gauge(name="calls_to_seal", meaning="Ended calls without rows", read=lambda: sealing.waiting),
        Gauge(name="calls_failing", meaning="Calls whose sealing failed so far", read=lambda: len(sealing.failing)),
        Gauge(name="rtp_ports_open", meaning="RTP ports in use", read=lambda: len(rtp.open_ports())),
        Gauge(name="rtp_ports_free", meaning="RTP ports that could be opened", read=rtp.free_ports),
        Gauge(name="rtp_ring_lost", meaning="Packets lost to a full packet ring", read=rtp.lost_total),
        Gauge(name="journal_dropped", meaning="Packets lost to a full disk", read=lambda: writer.dropped_packets),
        Gauge(name="refusing", meaning="1 while new calls are refused", read=lambda: bool(recorder.refusal)),
    ]


def counts(uas: UserAgentServer, requests: Mapping[str, int]) -> list[Counts]:
    """What only grows."""
    return [
        Counts(name="sip_leniencies", meaning="Faults accepted", label="fault", read=lambda: uas.leniencies),
        Counts(
            name="sip_refused",
            meaning="Requests refused",
            label="status",
            read=lambda: {str(status): count for status, count in uas.refused.items()},
        ),
        Counts(name="sip_junk", meaning="No SIP at all", label="kind", read=lambda: {"message": uas.junk}),
        Counts(name="api", meaning="What happened on the XML port", label="what", read=lambda: requests),
    ]
