"""CAV: a recording with everything that belongs to it in one file, described byte by byte in docs/cav.md.

`container` says what is inside and whether it is unaltered; `sealed` is the encryption around it. The one rule: a CAV
can be read without Earshot, from the description alone.
"""
