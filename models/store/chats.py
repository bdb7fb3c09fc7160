"""Which chat store a URL stands for."""

from models.store.chat import ChatStore
from models.store.chat_sql import SqlChatStore

SQL = "sql:"
SCHEMES = ("mongodb://", "mongodb+srv://")


def chat_store_from(url: str, *, database_url: str, pool_size: int = 10) -> ChatStore:
    """The adapter for `url`; nothing is connected yet. `sql:` is the platform's own database.

    Raises ValueError with a sentence for the operator, without the URL: it may hold a password.
    """
    if url == SQL:
        return SqlChatStore(database_url, pool_size=pool_size)
    if not url.startswith(SCHEMES):
        raise ValueError("A chat store's URL must be sql: or start with mongodb:// or mongodb+srv://.")
    # The driver takes a fifth of a second to import, and most run without it.
    from models.store.chat_mongo import MongoChatStore

    return MongoChatStore(url)
