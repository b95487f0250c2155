"""A real Redis for what is deployed before it."""

from redis_server import redis_url, shared_redis

__all__ = ["redis_url", "shared_redis"]
