"""The tamper-evident log as pure values: leaves, the Merkle tree over them, checkpoints, proofs.

Nothing here touches a file or a clock; where leaves are kept is `earshot.storage.leaf_log`, what becomes a leaf is
`earshot.api.ledger`. The one rule: every byte that is hashed or signed is made here, in one way only.
"""
