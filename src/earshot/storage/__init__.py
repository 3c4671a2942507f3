"""The storage: where sealed media lies, behind the port `earshot.ports.Storage`.

`local` keeps it in a folder, `memory` in memory for tests; `names` makes and checks the names of objects. The one rule:
a name from outside is checked before it becomes a path.
"""
