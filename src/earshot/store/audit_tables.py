"""The tables of the audit trail and API tokens, in portable types.

Same rules as `tables`: no statements here, and a change of a table is a new migration.
"""
