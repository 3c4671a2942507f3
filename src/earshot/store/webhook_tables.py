"""The tables of webhooks and what is to be delivered to them, in portable types.

Same rules as `tables`: no statements here, and a change of a table is a new migration.
"""
