"""``[plugins.worker_token]``: what is read from where, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.errors import ConfigError
from plugins.worker_token.config import WorkerTokenConfig
from plugins.worker_token.plugin import WorkerTokenPlugin
from server.config.load import Sources
from server.plugin_registry.sections import validated

SECRETS = ["a" * 32, "b" * 32, "c" * 32]


def _read(file: dict[str, Any] | None = None, **environ: str) -> WorkerTokenConfig:
    found = validated("worker-token", WorkerTokenPlugin().config(), Sources(file or {}, environ))
    assert isinstance(found, WorkerTokenConfig)
    return found


def test_the_secret_is_read_from_every_place() -> None:
    """The own variable wins over the older one, that over the own table, that over [auth.worker_token]."""
    older = {"auth": {"worker_token": {"secret": SECRETS[0]}}}
    own = {**older, "plugins": {"worker_token": {"secret": SECRETS[1]}}}
    assert _read(older).keys() == (SECRETS[0].encode(),)
    assert _read(own).keys() == (SECRETS[1].encode(),)
    assert _read(own, WORKER_TOKEN_SECRET=SECRETS[2]).keys() == (SECRETS[2].encode(),)
    assert _read(WORKER_TOKEN_SECRET=SECRETS[2], PLUGINS__WORKER_TOKEN__SECRET="d" * 32).keys() == (b"d" * 32,)


def test_lists_in_variables_are_json() -> None:
    """The newest secret comes first."""
    found = _read(WORKER_TOKEN_SECRET=SECRETS[0], PLUGINS__WORKER_TOKEN__PREVIOUS_SECRETS=json.dumps(SECRETS[1:]))
    assert found.keys() == tuple(each.encode() for each in SECRETS)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"secret": "hunter2"}, "plugins.worker_token.secret: must have at least 32"),
        ({"secret": SECRETS[0], "previous_secrets": ["hunter2"]}, r"previous_secrets\[0\]: must have at least 32"),
        ({"secret": SECRETS[0], "previous_secrets": SECRETS}, "previous_secrets: must differ"),
        ({"secret": SECRETS[0], "previous_secrets": [SECRETS[1]] * 2}, "previous_secrets: must differ"),
        ({"secret": SECRETS[0], "previous_secrets": [str(n) * 32 for n in range(9)]}, "previous_secrets"),
        ({"previous_secrets": SECRETS}, "previous_secrets: are of no use"),
        ({"prefix": "FWT_"}, "prefix"),
        ({"prefix": "fwt"}, "prefix"),
        ({"cache_seconds": -1}, "cache_seconds"),
        ({"cache_seconds": 61}, "cache_seconds"),
        ({"max_failures": -1}, "max_failures"),
        ({"failures_per_minute": 0}, "failures_per_minute"),
        ({"secrets": []}, "secrets: there is no such setting; did you mean 'secret'"),
    ],
)
def test_nonsense_is_refused_by_key(settings: dict[str, Any], named: str) -> None:
    """The error names the key, and no secret."""
    with pytest.raises(ConfigError, match=named) as caught:
        _read({"plugins": {"worker_token": settings}})
    assert not [secret for secret in ("hunter2", *SECRETS) if secret in str(caught.value)]


def test_secrets_are_not_shown() -> None:
    """Neither the settings nor a stored token show by repr what they keep."""
    assert SECRETS[0] not in repr(_read(WORKER_TOKEN_SECRET=SECRETS[0]))
