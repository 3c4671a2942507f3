"""Webhooks on the wire: signatures, where they may go, and posting one delivery.

What waits for whom and when it is tried again is the business of `services.webhooks`. The one rule: whatever a receiver
does, it costs one bounded attempt.
"""
