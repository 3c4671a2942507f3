"""The simulated phone system: a session recording client (RFC 7866) with real speech, and a CRM beside it.

What lives here: speech samples, encoders, an RTP sender, a small SIP user agent client, a CRM that speaks the XML
protocol, and the plan of whom to call when. What does not: anything of the server. The one rule: nothing here imports
`earshot.telephony` or `earshot.protocol`, so that a mistake of theirs is not mirrored by the tests that use this room.
"""
