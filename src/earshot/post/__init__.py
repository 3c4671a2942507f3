"""Mail as it leaves the house: addresses, messages, the conversation with a mail server.

What is sent, when, and again after a failure is decided elsewhere (`earshot.api.delivery`). The one rule: nothing that
a caller wrote gets into a header without passing `addresses`.
"""
