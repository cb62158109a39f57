"""Delivery: from source keys to conditional writes (docs/protocol.md, rules 6 to 10).

deliverer   the one function that relay, dual write and repair share: claim, read, write, judge, mark
reading     rows, versions and left keys of items, in one snapshot
writes      what a reading asks of DynamoDB
settle      what the answers mean: touches, and what is marked
outcome     what became of each item
opened      a deliverer of a migration, or why there can be none
gather      what drains and relays do before they deliver
drain       deliver until nothing is undelivered
sweep       take away old tombstones
"""
