"""Why a JWT is refused: a closed list, so that the log and the tests can count by class."""

from __future__ import annotations

from enum import StrEnum

from core.errors import AuthError


class Refusal(StrEnum):
    """A class of refusals; its text is for the caller and says nothing that stands in the token."""

    TOO_LONG = "it is longer than this server takes"
    MALFORMED = "it is not well-formed"
    HEADER = "its header brings a key of its own, or asks for what this server does not do"
    ALGORITHM = "its algorithm is not one that this server and the key allow"
    NO_KEY_ID = "its header names no key (kid)"
    UNKNOWN_KEY = "the identity provider has no usable key of its kid"
    KEYS_AWAY = "the identity provider's keys could not be fetched; try again later"
    SIGNATURE = "its signature is wrong"
    CLAIMS = "a claim is missing or malformed: exp and the subject are required, times are numbers"
    EXPIRED = "it has expired"
    NOT_YET = "it is not valid yet"
    ISSUER = "it comes from another issuer"
    AUDIENCE = "it is meant for another audience"
    TENANT = "it names no tenant of this server"
    ROLE = "its role is not one of OWNER, ADMIN and MEMBER"


class JwtRefused(AuthError):
    """A JWT is not accepted; ``refusal`` is the class."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"the JWT is refused: {refusal}")
        self.refusal = refusal
