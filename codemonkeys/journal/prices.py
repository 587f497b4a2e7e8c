"""Prices of the models of a run, as stored in its journal."""

from __future__ import annotations

from codemonkeys.journal.writer import Writer
from codemonkeys.models.base import Price


def put_price(writer: Writer, model: str, price: Price | None) -> bool:
    """Record the price of a model, None if it is unknown; whether that changes what was known."""
    row = (model, *((None,) * 4 if price is None else prices_of(price)))
    tiers = sorted((model, above, *prices_of(tier)) for above, tier in price.tiers) if price else []
    with writer.writing() as connection:
        known = connection.execute("SELECT * FROM prices WHERE model = ?", (model,)).fetchall()
        known += connection.execute("SELECT * FROM price_tiers WHERE model = ? ORDER BY above", (model,)).fetchall()
        if known == [row, *tiers]:
            return False
        # Not REPLACE: it would delete a row that calls reference.
        connection.execute(
            "INSERT INTO prices VALUES (?, ?, ?, ?, ?) ON CONFLICT (model) DO UPDATE SET "
            "prompt = excluded.prompt, completion = excluded.completion, "
            "cache_read = excluded.cache_read, cache_write = excluded.cache_write",
            row,
        )
        connection.execute("DELETE FROM price_tiers WHERE model = ?", (model,))
        connection.executemany("INSERT INTO price_tiers VALUES (?, ?, ?, ?, ?, ?)", tiers)
    return True


def prices_of(price: Price) -> tuple[float, float, float, float]:
    """US dollars per token, in the order of the table's columns."""
    return price.prompt, price.completion, price.cache_read, price.cache_write
