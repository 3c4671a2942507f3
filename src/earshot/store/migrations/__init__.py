"""The schema's history, one file a step in `versions`, run by `earshot.store.migrate`.

The one rule: a migration that was released is never edited, and imports nothing of Earshot.
"""
