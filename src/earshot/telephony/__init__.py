"""Wire formats of the phone system: SIP, SDP, recording metadata, RTP. No I/O, no clock: bytes and `now` come in."""
