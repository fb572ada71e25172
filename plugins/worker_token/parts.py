"""Puts the plugin's objects together: the one place that knows which of them share what."""

from __future__ import annotations

import time
from collections.abc import Callable

from core.auth.failure_limit import FailureLimit
from core.plugin_services import PluginServices
from plugins.worker_token.cache import TokenCache
from plugins.worker_token.checker import TokenChecker
from plugins.worker_token.config import WorkerTokenConfig
from plugins.worker_token.grammar import TokenGrammar
from plugins.worker_token.hashing import TokenHasher
from plugins.worker_token.keeper import TokenKeeper
from plugins.worker_token.outcomes import Outcomes
from plugins.worker_token.repository import WorkerTokenRepository
from plugins.worker_token.service import WorkerTokenService


class Parts:
    """One process's objects.

    Attributes:
        service: for people, programs and the command line.
        checker: for the authenticator.
        keeper: runs in the background.
        hasher: knows whether there is a secret.
        cache: what the process remembers.
        limit: who has failed how often.
        outcomes: the metric and the log.
        cursors: signs the cursors of lists.
    """

    def __init__(self, services: PluginServices, monotonic: Callable[[], float] = time.monotonic) -> None:
        config = services.settings
        assert isinstance(config, WorkerTokenConfig)
        self.cursors = services.cursors
        grammar = TokenGrammar(config.prefix)
        repository = WorkerTokenRepository(services.database)
        self.hasher = TokenHasher(config.keys())
        self.cache = TokenCache(config.cache_seconds, monotonic)
        self.limit = FailureLimit(config.max_failures, config.failures_per_minute, monotonic)
        self.outcomes = Outcomes(services.metrics, services.logger, monotonic)
        self.service = WorkerTokenService(grammar, self.hasher, repository, services.clock, self.cache.forget)
        self.checker = TokenChecker(
            grammar,
            self.hasher,
            repository,
            cache=self.cache,
            limit=self.limit,
            outcomes=self.outcomes,
            clock=services.clock,
            monotonic=monotonic,
        )
        self.keeper = TokenKeeper(self.checker, self.cache, repository, self.outcomes, monotonic)
