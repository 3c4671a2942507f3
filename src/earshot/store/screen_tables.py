"""The tables of screen sessions, in portable types.

Same rules as `tables`: no statements here, and a change of a table is a new migration.
"""
