"""Which broker a URL stands for."""

from subscriptions.broker import Broker, MemoryBroker


def broker_from(url: str) -> Broker:
    """The adapter for `url`; nothing is connected yet. Raises ValueError with a sentence for the operator, without the URL:
    it may hold a password."""
    if url == "memory:":
        return MemoryBroker()
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("The broker's URL must be memory: or start with redis://, rediss:// or unix://.")
    # redis-py takes as long to import as all of asyncio, and one process does not need it.
    from subscriptions.redis_broker import RedisBroker

    try:
        return RedisBroker(url)
    except ValueError:
        # Its text quotes parts of the URL.
        raise ValueError(
            "The broker's URL cannot be read; write it as redis://user:password@host:6379 "
            "(special characters of the password percent-encoded) or unix:///path/of/the/socket."
        ) from None
