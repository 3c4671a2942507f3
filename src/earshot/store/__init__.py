"""The store: everything Earshot knows that is not sound, behind the port `earshot.ports.Store`.

`sql.SqlStore` keeps it in a database, `memory.MemoryStore` in memory for tests. `tables` says what is kept, `fields`
and `people` hold the rules both share. SQLite and nothing but SQLite is spoken in `sqlite`; a second database is a
second implementation of `database.Database`. The one rule: nothing here decides what is recorded.
"""
