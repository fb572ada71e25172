"""The plugin jwt: an authenticator of tokens that an identity provider has signed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic import BaseModel

from core.auth import Authenticator
from core.errors import PluginError
from core.plugin import Plugin
from core.plugin_services import PluginServices
from core.settings import ConfigSection
from plugins.jwt.config import NEEDED, JwtConfig

if TYPE_CHECKING:  # cryptography takes its time to load: only a server that verifies tokens waits for it
    from plugins.jwt.authenticator import JwtAuthenticator
    from plugins.jwt.jwks import Jwks

NAME = "jwt"
VERSION = "0.1.0"
AUTHENTICATOR = "jwt"

_OLD_VARIABLES = {"FLOVYN_SECURITY_JWT_SKIP_SIGNATURE_VERIFICATION": "skip_verification"}


class JwtPlugin(Plugin):
    """Users with tokens of an identity provider: RS256 and ES256, keys from its JWKS."""

    name = NAME
    version = VERSION
    plugin_api = ">=1.0,<2"

    _jwks: Jwks | None = None

    def config(self) -> ConfigSection:
        """Read the settings from this plugin's section, or from ``[auth.jwt]``."""
        return ConfigSection(JwtConfig, ("auth.jwt",), _OLD_VARIABLES)

    def authenticator_names(self) -> Sequence[str]:
        """Offer the authenticator to the configuration."""
        return (AUTHENTICATOR,)

    def default_authenticators(self, settings: BaseModel | None) -> Sequence[str]:
        """Check calls by default once there are settings."""
        assert isinstance(settings, JwtConfig)
        return (AUTHENTICATOR,) if settings.is_configured else ()

    def setup(self, services: PluginServices) -> None:
        """Store the services: the authenticator is made only where the configuration enables it."""
        self._services = services

    def authenticators(self) -> Mapping[str, Authenticator]:
        """Admit users by their tokens; settings under which a token would prove nothing stop the start."""
        return {AUTHENTICATOR: self._build(self._services)}

    async def on_startup(self) -> None:
        """Begin to fetch the keys without waiting for them: a provider that is away does not stop a restart."""
        if self._jwks is not None:
            self._jwks.refresh()

    async def on_shutdown(self) -> None:
        """End a fetch that is under way."""
        if self._jwks is not None:
            await self._jwks.close()

    def _build(self, services: PluginServices) -> JwtAuthenticator:
        from plugins.jwt.authenticator import JwtAuthenticator
        from plugins.jwt.verifier import Verifier

        config = services.settings
        assert isinstance(config, JwtConfig)
        verifier = None
        if config.skip_verification:
            _allow_unverified(services)
        else:
            self._jwks = _jwks(config, services)
            verifier = Verifier(config.algorithms, self._jwks)
        return JwtAuthenticator(config, verifier, services.tenants, services.clock, services.logger)


def _jwks(config: JwtConfig, services: PluginServices) -> Jwks:
    from plugins.jwt.fetch import JwksFetcher
    from plugins.jwt.jwks import Jwks

    if config.jwks_uri is None or config.missing:
        raise PluginError(
            f"jwt needs {', '.join(NEEDED)}, and {', '.join(config.missing)} is not set: set it in [auth.jwt]"
            f" (environment: AUTH__JWT__{config.missing[0].upper()}),"
            " or leave jwt out of auth.endpoints.*.authenticators"
        )
    fetcher = JwksFetcher(config.jwks_uri, services.build_info)
    return Jwks(fetcher, timedelta(seconds=config.jwks_max_age), services.clock, services.logger)


def _allow_unverified(services: PluginServices) -> None:
    if not services.development:
        raise PluginError(
            "skip_verification takes every token for genuine and is for 'flovyn-server dev' alone:"
            f" take it out of [auth.jwt] and set {', '.join(NEEDED)}"
        )
    services.logger.warning("signatures of JWTs are NOT verified: skip_verification is on")
