"""Rows by the names of their columns, for statements whose rows become no record; see ``server.storage.rows``."""

from __future__ import annotations

from typing import Any

from psycopg.rows import AsyncRowFactory, namedtuple_row, scalar_row

NAMED: AsyncRowFactory[Any] = namedtuple_row
"""Rows whose values are attributes, named like the columns."""

SCALAR: AsyncRowFactory[Any] = scalar_row
"""The one value of each row."""
