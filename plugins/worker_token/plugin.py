"""What the plugin adds: a table, a route to create tokens, and the authenticator that admits them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files

from core.auth import Authenticator, TokenIssuer
from core.endpoints import RestRoute
from core.migration import PluginMigration
from core.plugin import Plugin
from core.plugin_services import PluginServices
from core.settings import ConfigSection
from plugins.worker_token.authenticator import WorkerTokenAuthenticator
from plugins.worker_token.config import WorkerTokenConfig
from plugins.worker_token.repository import WorkerTokenRepository
from plugins.worker_token.rest import routes
from plugins.worker_token.service import WorkerTokenService

NAME = "worker-token"
VERSION = "0.1.0"
AUTHENTICATOR = "worker_token"


class WorkerTokenPlugin(Plugin):
    """Worker tokens (``fwt_…``): stored as an HMAC, admitted over gRPC and REST."""

    name = NAME
    version = VERSION

    def migrations(self) -> Sequence[PluginMigration]:
        """Create the table of tokens."""
        return PluginMigration.from_folder(files(__package__) / "migrations")

    def config(self) -> ConfigSection:
        """Read the secret from this plugin's section, or from where older deployments keep it."""
        return ConfigSection(WorkerTokenConfig, ("auth.worker_token",), {"WORKER_TOKEN_SECRET": "secret"})

    def rest_routes(self, services: PluginServices) -> Sequence[RestRoute]:
        """``POST /api/v1/p/worker-token/tokens``."""
        return routes(_service(services))

    def authenticator_names(self) -> Sequence[str]:
        """Offer the authenticator to the configuration."""
        return (AUTHENTICATOR,)

    def authenticators(self, services: PluginServices) -> Mapping[str, Authenticator]:
        """Admit workers by their tokens; without a secret the start is refused."""
        service = _service(services)
        service.require_secret()
        return {AUTHENTICATOR: WorkerTokenAuthenticator(service)}

    def token_issuer(self, services: PluginServices) -> TokenIssuer:
        """Issue tokens for ``flovyn-server token create`` and ``dev``."""
        return _service(services)


def _service(services: PluginServices) -> WorkerTokenService:
    assert isinstance(services.settings, WorkerTokenConfig)
    return WorkerTokenService(services.settings, WorkerTokenRepository(services.database), services.clock)
