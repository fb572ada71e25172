"""Step: the authenticators and authorizers of each protocol, and the observers of calls."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from core.auth import Protocol
from core.auth.failure_limit import FailureLimit
from core.clock import Clock
from server.auth.registry import build_stack, enabled
from server.auth.stack import AuthStack
from server.boot.preparation import Prepared
from server.observability.call_meter import CallMeter
from server.observability.calls import CallObservers
from server.observability.metrics import MetricsRegistry
from server.plugin_registry import PluginRegistry

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Authentication:
    """The checks of callers by protocol, and the observers and the meter that see every call."""

    stacks: Mapping[Protocol, AuthStack]
    observers: CallObservers
    meter: CallMeter


def make_authentication(
    prepared: Prepared, registry: PluginRegistry, clock: Clock, metrics: MetricsRegistry
) -> Authentication:
    """Build the checks that the configuration lists; those that it switches off are logged.

    Raises:
        StartupError: an authenticator or authorizer cannot work with its settings.
    """
    settings, plans = prepared.settings, prepared.auth
    names, authorizer_names = enabled(plans)
    authenticators = registry.collect_authenticators(sorted(names))
    authorizers = registry.collect_authorizers(sorted(authorizer_names))
    keys = settings.auth.static_api_key
    guesses = FailureLimit(keys.max_failures, keys.failures_per_minute)
    stacks = {
        protocol: build_stack(settings, protocol, plans[protocol], authenticators, authorizers, guesses=guesses)
        for protocol in (Protocol.REST, Protocol.GRPC)
    }
    for protocol, plan in plans.items():
        for paths, checks in plan.all_checks():
            if not checks.authenticators:
                _log.warning("calls over %s are NOT authenticated (%s), as configured", protocol, paths)
    meter = CallMeter(metrics.server, sample=settings.log.call_sample, slow=settings.log.slow_call)
    return Authentication(stacks, CallObservers(registry.observers(), clock), meter)
