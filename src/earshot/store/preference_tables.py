"""The tables of settings that are changed at run time, and locations, in portable types.

Same rules as `tables`: no statements here, and a change of a table is a new migration.
"""
