"""The DuckDB store: one file, short transactions, forward migrations, a published copy that anyone reads."""

from loop.store.connect import transaction
from loop.store.holding import StoreHeldError, patient
from loop.store.migrate import MIGRATIONS
from loop.store.publish import age, publish, rewrite
from loop.store.read import current, pl_frame, query, reading
from loop.store.write import insert, utc_now

__all__ = [
    "MIGRATIONS",
    "StoreHeldError",
    "age",
    "current",
    "insert",
    "patient",
    "pl_frame",
    "publish",
    "query",
    "reading",
    "rewrite",
    "transaction",
    "utc_now",
]
