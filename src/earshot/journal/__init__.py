"""The journal: one append-only log per core of what happened to calls and of every packet that was heard.

Here live the segment format, the writer, the reader, recovery, carrying, redaction and checking. Not here: what the
events mean (the core knows), and sockets (listeners). The one rule: what was reported durable is never lost, and every
step survives being killed half-way.
"""
