"""Judging a difference by reading again: the source, the target, and the source once more (rule 11).

`verdict` is the closed set, `rules` decides (pure), `rows` says whose a key is, `judge` reads and asks the rules,
`opened` opens a Judge for a migration.
"""
