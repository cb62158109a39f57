"""Read routing: each query is answered from RDS or from DynamoDB, as operators have set its stage."""

from pipelines.routing.router import Router

__all__ = ["Router"]
