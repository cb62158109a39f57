"""A small HTTP service with a database of its own, which moves to DynamoDB while it runs: see docs/shop-service.md.

schema.sql, shop-service.yaml   its tables, and what becomes of them
seed        its first rows
shop        what it does, whatever the store: the only place that knows of Router and Masters
on_rds      its reads and writes by SQLAlchemy
on_dynamodb its reads by Items, its writes by ItemWriter
orders      what an order looks like, from either store
http        the endpoints
__main__    the service as a command
"""
