"""The plugin worker-token: a table of tokens, REST and gRPC to manage them, and the authenticator that checks them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files

from core.auth import Authenticator, TokenIssuer
from core.endpoints import GrpcService, RestRoute
from core.errors import PluginError
from core.migration import PluginMigration
from core.openapi import OpenApiFragment
from core.plugin import Plugin
from core.plugin_services import PluginServices
from core.service import Service
from core.settings import ConfigSection
from plugins.worker_token.authenticator import WorkerTokenAuthenticator
from plugins.worker_token.config import WorkerTokenConfig
from plugins.worker_token.parts import Parts
from plugins.worker_token.rest import Tokens
from plugins.worker_token.rpc import TokenRpc
from plugins.worker_token.service import NO_SECRET

NAME = "worker-token"
VERSION = "0.2.0"
AUTHENTICATOR = "worker_token"
DESCRIPTION = (
    "Tokens that admit workers (`fwt_…`). A token is shown once, by the call that creates or rotates it. A worker's own"
    " credentials cannot create, rotate or revoke tokens."
)


class WorkerTokenPlugin(Plugin):
    """Worker tokens (``fwt_…``): stored as an HMAC, admitted over gRPC and REST."""

    name = NAME
    version = VERSION
    plugin_api = ">=1.0,<2"

    def migrations(self) -> Sequence[PluginMigration]:
        """Create the table of tokens."""
        return PluginMigration.from_folder(files(__package__) / "migrations")

    def config(self) -> ConfigSection:
        """Read the secret from this plugin's section, or from where older deployments keep it."""
        return ConfigSection(WorkerTokenConfig, ("auth.worker_token",), {"WORKER_TOKEN_SECRET": "secret"})

    def setup(self, services: PluginServices) -> None:
        """Make the parts that the hooks share."""
        self._parts = Parts(services)

    def rest_routes(self) -> Sequence[RestRoute]:
        """``/api/v1/p/worker-token/tokens``."""
        return Tokens(self._parts.service, self._parts.cursors).routes()

    def openapi(self) -> OpenApiFragment:
        """Describe the routes."""
        return OpenApiFragment(description=DESCRIPTION)

    def grpc_services(self) -> Sequence[GrpcService]:
        """``flovyn.plugins.worker_token.v1.TokenService``."""
        return (TokenRpc(self._parts.service).service(),)

    def authenticator_names(self) -> Sequence[str]:
        """Offer the authenticator to the configuration."""
        return (AUTHENTICATOR,)

    def authenticators(self) -> Mapping[str, Authenticator]:
        """Admit workers by their tokens; without a secret the start is refused."""
        if not self._parts.hasher.ready:
            raise PluginError(f"{NO_SECRET}, or leave worker_token out of auth.endpoints.*.authenticators")
        return {AUTHENTICATOR: WorkerTokenAuthenticator(self._parts.checker)}

    def background_services(self) -> Sequence[Service]:
        """Keep the cache of tokens up to date, in every process."""
        return (self._parts.keeper,)

    def token_issuer(self) -> TokenIssuer:
        """Issue tokens for ``flovyn-server token create`` and ``dev``."""
        return self._parts.service

    async def on_shutdown(self) -> None:
        """Write the times of use that are not yet in the database."""
        await self._parts.keeper.finish()
