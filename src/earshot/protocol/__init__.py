"""The protocol as data: parameters, commands, results, framing, XML and query strings, decoding. No I/O lives here.

The one rule: what a command is, is said once, in the tables under `commands/`; everything else reads them.
"""
