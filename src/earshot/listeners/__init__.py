"""The sockets: TCP protocol, HTTP, events, SIP, RTP.

No rules here. The one rule: a listener moves bytes and reports; junk on one never stops another.
"""
