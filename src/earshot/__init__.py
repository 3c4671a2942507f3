"""Earshot: the open call recording system.

Rooms and floors are described in docs/architecture.md; imports point down only.
"""

__version__ = "0.1.0"
