"""The tables of roles, QA groups and what they allow, in portable types.

Same rules as `tables`: no statements here, and a change of a table is a new migration.
"""
