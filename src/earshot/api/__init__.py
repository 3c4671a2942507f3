"""The use cases over the ports: what each command does, and the values that the doors hand out.

No sockets and no HTTP here. The one rule: a handler takes a decoded request and gives back a value.
"""
