"""``[plugins.jwt]``, which is ``[auth.jwt]`` in older files."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

NEEDED = ("jwks_uri", "issuer", "audience")
"""Without these a signature proves nothing: any token of any issuer for any audience would do."""


def is_loopback(url: SplitResult) -> bool:
    """Whether the URL's host is this machine."""
    if url.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(url.hostname or "").is_loopback
    except ValueError:
        return False


def _checked_uri(text: str) -> str:
    try:
        url = urlsplit(text)
        usable = bool(url.hostname) and url.port != 0 and text.isprintable() and " " not in text
    except ValueError:
        usable = False
    if not usable or not (url.scheme == "https" or (url.scheme == "http" and is_loopback(url))):
        raise ValueError("must be an https URL; http is taken for 127.0.0.1, ::1 and localhost alone")
    if url.username is not None or url.password is not None or url.fragment:
        raise ValueError("must have neither user and password nor a fragment")
    return text


def _listed(value: Any) -> Any:
    """Read one text as a list of one."""
    if not isinstance(value, str):
        return value
    if value.startswith("["):  # a variable whose JSON could not be read
        raise ValueError("write a text, or a list of texts")
    return (value,)


def _without_doubles(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) < len(values):
        raise ValueError("names something twice")
    return values


Text = Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^\S(.*\S)?$")]
Claim = Annotated[tuple[Text, ...], BeforeValidator(_listed)]
"""Where a claim stands: its name, or a list of names that leads into objects; an empty list means nowhere."""


class JwtConfig(BaseModel):
    """Settings of the plugin.

    Attributes:
        jwks_uri: where the provider publishes its keys.
        issuer: what a token's ``iss`` has to be.
        audience: what a token's ``aud`` has to name; one of these.
        clock_skew: seconds by which the provider's clock may differ.
        algorithms: of signatures that are taken.
        jwks_max_age: seconds after which the keys are fetched again.
        skip_verification: accepts tokens without a check of the signature; only the development server starts with it.
        subject_claim: the id of the caller.
        tenant_slug_claim: the slug of the caller's tenant.
        tenant_id_claim: the id of the caller's tenant.
        role_claim: the role of the caller.
        name_claim: the caller's name.
        email_claim: the caller's address.
    """

    jwks_uri: Annotated[str, AfterValidator(_checked_uri)] | None = None
    issuer: Text | None = None
    audience: Annotated[tuple[Text, ...], BeforeValidator(_listed), Field(min_length=1)] | None = None
    clock_skew: int = Field(default=60, ge=0, le=600)
    algorithms: Annotated[
        tuple[Literal["RS256", "ES256"], ...],
        BeforeValidator(_listed),
        AfterValidator(_without_doubles),
        Field(min_length=1),
    ] = ("RS256", "ES256")
    jwks_max_age: int = Field(default=3600, ge=60, le=86400)
    skip_verification: bool = False
    subject_claim: Annotated[Claim, Field(min_length=1)] = ("sub",)
    tenant_slug_claim: Claim = ("org", "slug")
    tenant_id_claim: Claim = ("org", "id")
    role_claim: Claim = ("org", "role")
    name_claim: Claim = ("name",)
    email_claim: Claim = ("email",)

    @property
    def is_configured(self) -> bool:
        """Whether any of the needed settings is set; with only some of them, the start names the missing ones."""
        return self.skip_verification or len(self.missing) < len(NEEDED)

    @property
    def missing(self) -> tuple[str, ...]:
        """The settings that are needed to verify tokens and are not set."""
        return tuple(name for name in NEEDED if getattr(self, name) is None)
