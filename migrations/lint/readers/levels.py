"""How tightly PostgreSQL's operators bind, from the loosest to the tightest."""

from __future__ import annotations

OR, AND, NOT, IS, COMPARE, LIKE, OTHER, ADD, TIMES, POWER, AT, COLLATE, SIGN = range(1, 14)
