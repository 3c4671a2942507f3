"""The tables of mail that waits to be sent, in portable types.

Same rules as `tables`: no statements here, and a change of a table is a new migration.
"""
