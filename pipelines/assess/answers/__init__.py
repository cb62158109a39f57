"""Which request of a mapping's tables and indexes answers a pattern. For any mapping: the draft is judged by it, too.

paths      the ways into an item type that its key templates give
matching   whether a way finds what a read asks for
embedded   what an item holds of other tables
answer     from patterns to answers
"""
