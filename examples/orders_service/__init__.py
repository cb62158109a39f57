"""A small service on the example shop's database, which writes to both stores: see docs/dual-write.md.

models      the tables that it uses, as SQLAlchemy's models; nothing of Crossover
orders      what it does: place an order, ship it, rename a customer; nothing of Crossover
__main__    its commands, and the one place where the dual write is attached
"""
