"""The JSON REST API: `/api/v1`, and the vendor's later JSON calls under their own paths. One module a family.

What a command does is done by the handler of that command, so that each rule exists once; here JSON becomes a request
and an answer becomes JSON. The one rule: every route says which permission it needs, and every error is a problem
document (RFC 9457) that carries the RESULTTYPE of the protocol.
"""
