"""Sources of pictures: what desktop agents last said, and a small agent in this process.

No rules of sessions here (`engine`, `core`). The one rule: nothing that an agent says is believed before it is checked.
"""
