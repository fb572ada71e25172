"""The settings that the log of a start names."""

from __future__ import annotations

from server.config.differing import database_of, differing
from server.config.load import Sources, load

KEY = "a-key-of-an-operator"


def test_only_settings_that_differ_are_named_and_no_secret() -> None:
    """Keys are counted, and neither the password of the database nor a key is in any value."""
    file = {
        "database_url": "postgres://user:hidden@db.example:5433/flovyn?sslmode=require",
        "process": {"workers": 2, "drain_timeout": 10},
        "auth": {"static_api_key": {"keys": [{"key": KEY, "role": "OPERATOR"}]}},
    }
    settings = load(Sources(file, {}))
    found = differing(settings)
    assert found == {"process.workers": 2, "auth.static_api_key.keys": "1 entries"}
    assert database_of(settings) == "db.example:5433/flovyn"
    assert KEY not in str(found)
