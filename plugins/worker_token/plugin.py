"""What the plugin adds: a table, REST and gRPC for tokens, the authenticator, and what keeps that one quick."""

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

    def __init__(self) -> None:
        """Make nothing yet: there are no services to make it of."""
        self._made: Parts | None = None

    def migrations(self) -> Sequence[PluginMigration]:
        """Create the table of tokens."""
        return PluginMigration.from_folder(files(__package__) / "migrations")

    def config(self) -> ConfigSection:
        """Read the secret from this plugin's section, or from where older deployments keep it."""
        return ConfigSection(WorkerTokenConfig, ("auth.worker_token",), {"WORKER_TOKEN_SECRET": "secret"})

    def rest_routes(self, services: PluginServices) -> Sequence[RestRoute]:
        """``/api/v1/p/worker-token/tokens``."""
        return Tokens(self._parts(services).service).routes()

    def openapi(self) -> OpenApiFragment:
        """Describe what the routes have in common."""
        return OpenApiFragment(description=DESCRIPTION)

    def grpc_services(self, services: PluginServices) -> Sequence[GrpcService]:
        """``flovyn.plugins.worker_token.v1.TokenService``."""
        return (TokenRpc(self._parts(services).service).service(),)

    def authenticator_names(self) -> Sequence[str]:
        """Offer the authenticator to the configuration."""
        return (AUTHENTICATOR,)

    def authenticators(self, services: PluginServices) -> Mapping[str, Authenticator]:
        """Admit workers by their tokens; without a secret the start is refused."""
        parts = self._parts(services)
        if not parts.hasher.ready:
            raise PluginError(f"{NO_SECRET}, or leave worker_token out of auth.endpoints.*.authenticators")
        return {AUTHENTICATOR: WorkerTokenAuthenticator(parts.checker)}

    def background_services(self, services: PluginServices) -> Sequence[Service]:
        """Keep what the process remembers of tokens true, in every process."""
        return (self._parts(services).keeper,)

    def token_issuer(self, services: PluginServices) -> TokenIssuer:
        """Issue tokens for ``flovyn-server token create`` and ``dev``."""
        return self._parts(services).service

    async def on_shutdown(self) -> None:
        """Write what is still to be noted."""
        if self._made is not None:
            await self._made.keeper.finish()

    def _parts(self, services: PluginServices) -> Parts:
        """Return the parts of this process, made at the first call."""
        if self._made is None:
            self._made = Parts(services)
        return self._made
