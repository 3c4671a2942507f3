"""The HTTP face: webAPI.aspx, the pages, the player, live updates, downloads, health and metrics.

No sockets (they live in `earshot.listeners`), no rules about calls. The one rule: what came from outside is escaped on
its way out, and nothing but the four open doors answers without a login.
"""
