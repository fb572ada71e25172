"""Which tokens are admitted, which are refused and why, and which are left to other authenticators."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import get_algorithm_by_name

from core.auth import NOT_MY_KIND, Identity, PrincipalType, Role
from plugins.jwt.domain import JwtRefused, Refusal
from plugins.jwt.tests.provider import (
    AUDIENCE,
    NOW,
    OTHER_TENANT,
    TENANT,
    Checked,
    claims,
    fetched,
    key_of,
    key_set,
    public_jwk,
    signed,
)

SECONDS = int(NOW.timestamp())


def part(value: Any) -> str:
    """Return base64url of bytes, or of a value as JSON."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(data).decode().rstrip("=")


def by_hand(header: Any, payload: Any, sign: Callable[[bytes], bytes] = lambda _: b"") -> str:
    """Put a token together that no library would."""
    text = f"{part(header)}.{part(payload)}"
    return f"{text}.{part(sign(text.encode()))}"


def genuine(payload: Any, header: Any = None) -> str:
    """Return a token of any payload and header that is really signed by the usual RSA key."""
    algorithm = get_algorithm_by_name("RS256")
    return by_hand(
        {"alg": "RS256", "kid": "rsa"} if header is None else header,
        payload,
        lambda text: algorithm.sign(text, key_of("RS256")),
    )


def hmac_with_the_public_key(form: PublicFormat, encoding: Encoding) -> str:
    secret = key_of("RS256").public_key().public_bytes(encoding, form)
    header = {"alg": "HS256", "kid": "rsa", "typ": "JWT"}
    return by_hand(header, claims(), lambda text: hmac.new(secret, text, hashlib.sha256).digest())


def foreign() -> Any:
    return key_of("RS256", 99)


async def refusal(checked: Checked, token: str) -> Refusal:
    with pytest.raises(JwtRefused) as refused:
        await checked(token)
    assert token not in str(refused.value)
    return refused.value.refusal


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
async def test_a_good_token_is_its_user(algorithm: str) -> None:
    """Subject, tenant, role and the attributes come from the claims."""
    response = await Checked()(signed(claims(), algorithm))
    attributes = {"name": "Ada", "email": "ada@example.com"}
    assert response.identity == Identity(PrincipalType.USER, "user-7", TENANT, Role.ADMIN, attributes)


GOOD: dict[str, tuple[dict[str, Any], tuple[str, Any]]] = {
    "one of several audiences": ({"aud": ["x", AUDIENCE]}, ("id", "user-7")),
    "expired within the skew": ({"exp": SECONDS - 59}, ("id", "user-7")),
    "issued ahead within the skew": ({"iat": SECONDS + 60, "nbf": SECONDS + 60}, ("id", "user-7")),
    "times with fractions": ({"exp": SECONDS + 0.5, "iat": SECONDS - 0.5}, ("id", "user-7")),
    "no role is the least one": ({"org": {"slug": "test"}}, ("role", Role.MEMBER)),
    "roles in small letters": ({"org": {"slug": "test", "role": "owner"}}, ("role", Role.OWNER)),
    "the tenant by id": ({"org": {"id": str(OTHER_TENANT)}}, ("tenant_id", OTHER_TENANT)),
    "slug and id that agree": ({"org": {"slug": "test", "id": str(TENANT)}}, ("tenant_id", TENANT)),
    "names that cannot be printed": ({"name": "a\x00", "email": ["x"]}, ("attributes", {})),
}


@pytest.mark.parametrize("case", GOOD)
async def test_other_tokens_that_are_good(case: str) -> None:
    """Variants that the standard and the settings allow."""
    changed, (attribute, value) = GOOD[case]
    response = await Checked()(signed(claims(**changed)))
    assert getattr(response.identity, attribute) == value


BAD_CLAIMS: dict[str, tuple[dict[str, Any], Refusal]] = {
    "expired": ({"exp": SECONDS - 60}, Refusal.EXPIRED),
    "no end": ({"exp": None}, Refusal.CLAIMS),
    "the end as a text": ({"exp": str(SECONDS + 600)}, Refusal.CLAIMS),
    "the end as a truth": ({"exp": True}, Refusal.CLAIMS),
    "an end that no number holds": ({"exp": 10**400}, Refusal.CLAIMS),
    "not yet": ({"nbf": SECONDS + 61}, Refusal.NOT_YET),
    "issued in the future": ({"iat": SECONDS + 61}, Refusal.NOT_YET),
    "a beginning that is a list": ({"nbf": [1]}, Refusal.CLAIMS),
    "no issuer": ({"iss": None}, Refusal.ISSUER),
    "another issuer": ({"iss": "https://issuer.test"}, Refusal.ISSUER),
    "a list of issuers": ({"iss": ["https://issuer.test/"]}, Refusal.ISSUER),
    "no audience": ({"aud": None}, Refusal.AUDIENCE),
    "another audience": ({"aud": "flovyn2"}, Refusal.AUDIENCE),
    "other audiences": ({"aud": ["flo", "vyn", 7, None, ["flovyn"]]}, Refusal.AUDIENCE),
    "an audience as an object": ({"aud": {"flovyn": 1}}, Refusal.AUDIENCE),
    "no subject": ({"sub": None}, Refusal.CLAIMS),
    "an empty subject": ({"sub": ""}, Refusal.CLAIMS),
    "a subject of other letters": ({"sub": "a\x00b"}, Refusal.CLAIMS),
    "a subject with a line end": ({"sub": "a\nb"}, Refusal.CLAIMS),
    "a number for a subject": ({"sub": 7}, Refusal.CLAIMS),
    "an endless subject": ({"sub": "x" * 256}, Refusal.CLAIMS),
    "no tenant": ({"org": None}, Refusal.TENANT),
    "a tenant that is a text": ({"org": "test"}, Refusal.TENANT),
    "an unknown tenant": ({"org": {"slug": "nobody"}}, Refusal.TENANT),
    "an impossible slug": ({"org": {"slug": "te\x00st"}}, Refusal.TENANT),
    "a number for a slug": ({"org": {"slug": 5}}, Refusal.TENANT),
    "an unknown id": ({"org": {"id": "33333333-3333-4333-8333-333333333333"}}, Refusal.TENANT),
    "an id that is none": ({"org": {"id": "test", "slug": "test"}}, Refusal.TENANT),
    "slug and id of two tenants": ({"org": {"slug": "other", "id": str(TENANT)}}, Refusal.TENANT),
    "an operator": ({"org": {"slug": "test", "role": "OPERATOR"}}, Refusal.ROLE),
    "an operator without a tenant": ({"org": {"role": "OPERATOR"}}, Refusal.ROLE),
    "an unknown role": ({"org": {"slug": "test", "role": "SUSPENDED"}}, Refusal.ROLE),
    "a role that looks like one": ({"org": {"slug": "test", "role": "adm\u0131n"}}, Refusal.ROLE),
    "an empty role": ({"org": {"slug": "test", "role": ""}}, Refusal.ROLE),
    "a list of roles": ({"org": {"slug": "test", "role": ["ADMIN"]}}, Refusal.ROLE),
}


@pytest.mark.parametrize("case", BAD_CLAIMS)
async def test_bad_claims_are_refused_although_the_signature_is_right(case: str) -> None:
    """Each by its own class, with a text that says which."""
    changed, expected = BAD_CLAIMS[case]
    assert await refusal(Checked(), genuine(claims(**changed))) is expected


ATTACKS: dict[str, tuple[Callable[[], str], Refusal]] = {
    "no signature": (lambda: by_hand({"alg": "none"}, claims()), Refusal.ALGORITHM),
    "no signature, with a key": (lambda: by_hand({"alg": "NoNe", "kid": "rsa"}, claims()), Refusal.ALGORITHM),
    "no algorithm": (lambda: genuine(claims(), {"kid": "rsa"}), Refusal.ALGORITHM),
    "a list of algorithms": (lambda: genuine(claims(), {"alg": ["RS256"], "kid": "rsa"}), Refusal.ALGORITHM),
    "HMAC with the public key in PEM": (
        lambda: hmac_with_the_public_key(PublicFormat.SubjectPublicKeyInfo, Encoding.PEM),
        Refusal.ALGORITHM,
    ),
    "HMAC with the public key in DER": (
        lambda: hmac_with_the_public_key(PublicFormat.PKCS1, Encoding.DER),
        Refusal.ALGORITHM,
    ),
    "another hash": (lambda: signed(claims(), "RS512", key_of("RS256"), kid="rsa"), Refusal.ALGORITHM),
    "another padding": (lambda: signed(claims(), "PS256", key_of("RS256"), kid="rsa"), Refusal.ALGORITHM),
    "RS256 by the name of the EC key": (lambda: signed(claims(), kid="ec"), Refusal.ALGORITHM),
    "ES256 by the name of the RSA key": (lambda: signed(claims(), "ES256", kid="rsa"), Refusal.ALGORITHM),
    "a key of the attacker's": (lambda: signed(claims(), key=foreign()), Refusal.SIGNATURE),
    "a curve of the attacker's": (
        lambda: signed(claims(), "ES256", ec.generate_private_key(ec.SECP256R1())),
        Refusal.SIGNATURE,
    ),
    "an empty signature": (lambda: signed(claims()).rpartition(".")[0] + ".", Refusal.SIGNATURE),
    "an EC signature of zeros": (
        lambda: by_hand({"alg": "ES256", "kid": "ec"}, claims(), lambda _: bytes(64)),
        Refusal.SIGNATURE,
    ),
    "an EC signature of another length": (
        lambda: by_hand({"alg": "ES256", "kid": "ec"}, claims(), lambda _: b"\x30\x06\x02\x01\x01\x02\x01\x01"),
        Refusal.SIGNATURE,
    ),
    "an embedded key": (
        lambda: signed(claims(), key=foreign(), jwk=public_jwk("RS256", foreign(), "rsa")),
        Refusal.HEADER,
    ),
    "an address of keys": (lambda: signed(claims(), key=foreign(), jku="https://evil.test/jwks"), Refusal.HEADER),
    "an address of a certificate": (lambda: signed(claims(), x5u="https://evil.test/x"), Refusal.HEADER),
    "an embedded certificate": (lambda: signed(claims(), x5c=["MIIB"]), Refusal.HEADER),
    "a critical extension": (lambda: signed(claims(), crit=["exp"]), Refusal.HEADER),
    "an unencoded payload": (
        lambda: genuine(claims(), {"alg": "RS256", "kid": "rsa", "b64": False, "crit": ["b64"]}),
        Refusal.HEADER,
    ),
    "a log-out note": (lambda: signed(claims(), typ="logout+jwt"), Refusal.HEADER),
    "a number for a type": (lambda: genuine(claims(), {"alg": "RS256", "kid": "rsa", "typ": 5}), Refusal.HEADER),
    "no key id": (lambda: genuine(claims(), {"alg": "RS256"}), Refusal.NO_KEY_ID),
    "a number for a key id": (lambda: genuine(claims(), {"alg": "RS256", "kid": 5}), Refusal.NO_KEY_ID),
    "an endless key id": (lambda: signed(claims(), kid="x" * 513), Refusal.NO_KEY_ID),
    "an unknown key id": (lambda: signed(claims(), kid="../rsa"), Refusal.UNKNOWN_KEY),
    "a header that is a list": (lambda: genuine(claims(), ["RS256"]), Refusal.MALFORMED),
    "a header that is no JSON": (lambda: by_hand(b"\xff\xfe", claims()), Refusal.MALFORMED),
    "two algorithms": (lambda: genuine(claims(), b'{"alg":"none","alg":"RS256","kid":"rsa"}'), Refusal.MALFORMED),
    "claims that are a list": (lambda: genuine([]), Refusal.MALFORMED),
    "claims that are no JSON": (lambda: genuine(b"{"), Refusal.MALFORMED),
    "claims without an end": (lambda: genuine(b"[" * 4_000), Refusal.MALFORMED),
    "two subjects": (lambda: genuine(b'{"sub":"a","sub":"b"}'), Refusal.MALFORMED),
    "not a number": (lambda: genuine(b'{"exp":NaN}'), Refusal.MALFORMED),
    "an infinite end": (lambda: genuine(b'{"exp":1e999}'), Refusal.CLAIMS),
    "a number of many digits": (lambda: genuine(b'{"exp":' + b"9" * 5000 + b"}"), Refusal.MALFORMED),
    "longer than any": (lambda: genuine({"x": "y" * 20_000}), Refusal.TOO_LONG),
    "a part of impossible length": (lambda: "eyJhb.e30.AAAA", Refusal.MALFORMED),
}


@pytest.mark.parametrize("case", ATTACKS)
async def test_attacks_are_refused(case: str) -> None:
    """Each by the class that says what is wrong with it; and none is remembered."""
    make, expected = ATTACKS[case]
    checked, token = Checked(), make()
    assert await refusal(checked, token) is expected
    assert await refusal(checked, token) is expected


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
async def test_no_character_can_be_changed(algorithm: str) -> None:
    """Every token has one spelling: even the bits that base64 does not use count."""
    checked, token = Checked(), signed(claims(), algorithm)
    assert (await checked(token)).identity is not None
    for place, letter in enumerate(token):
        for other in {"A", "B", chr(ord(letter) ^ 1), token[place - 1]} - {letter, " "}:
            try:
                response = await checked(token[:place] + other + token[place + 1 :])
            except JwtRefused:
                continue
            assert response is NOT_MY_KIND, (place, other)


@pytest.mark.parametrize(
    "token",
    [
        None,
        "flovyn_sk_test_0123456789abcdef",
        "flovyn_a.b.c",
        "fwt_0123456789abcdef",
        "fwt_eyJ.e30.AAAA",
        "a.b",
        "a.b.c.d",
        "..",
        ".b.c",
        "a..c",
        "a.b.c=",
        "a.b.\xe9",
        "a.\udc80.c",
        "a.b.c\x00",
        "x" * 100_000,
        "." * 100_000,
    ],
)
async def test_other_credentials_are_left_to_others(token: str | None) -> None:
    """A token that is not three base64url parts, or begins like another kind, is left to other authenticators."""
    assert await Checked()(token) is NOT_MY_KIND


async def test_only_configured_algorithms_are_taken() -> None:
    """A deployment may allow one of the two."""
    checked = Checked(algorithms=["ES256"])
    assert (await checked(signed(claims(), "ES256"))).identity is not None
    assert await refusal(checked, signed(claims())) is Refusal.ALGORITHM


async def test_claims_can_stand_elsewhere() -> None:
    """Names with dots and slashes are names, lists lead into objects, an empty list is nowhere."""
    checked = Checked(
        tenant_slug_claim="https://x.test/tenant", tenant_id_claim=[], role_claim=["a", "b", "c"], subject_claim="oid"
    )
    payload = {"oid": "o-1", "https://x.test/tenant": "other", "a": {"b": {"c": "OWNER"}}, "org": {"slug": "test"}}
    identity = (await checked(signed(claims(**payload)))).identity
    assert identity is not None
    assert (identity.id, identity.tenant_id, identity.role) == ("o-1", OTHER_TENANT, Role.OWNER)


async def test_without_verification_the_claims_still_count() -> None:
    """Unsigned tokens are taken; expired ones, and those of another issuer or audience, are not."""
    checked = Checked(verify=False)
    assert (await checked(by_hand({"alg": "none"}, claims()))).identity is not None
    for changed, expected in (
        ({"exp": SECONDS - 60}, Refusal.EXPIRED),
        ({"iss": "x"}, Refusal.ISSUER),
        ({"aud": "x"}, Refusal.AUDIENCE),
        ({"org": {"role": "OPERATOR"}}, Refusal.ROLE),
    ):
        assert await refusal(checked, by_hand({"alg": "none"}, claims(**changed))) is expected


async def test_keys_that_are_not_fit_verify_nothing() -> None:
    """A key for encryption and a doubled id are as if they were not there."""
    document = key_set(
        public_jwk("RS256", key_of("RS256"), "enc", use="enc"),
        public_jwk("RS256", key_of("RS256"), "twice"),
        public_jwk("ES256", key_of("ES256"), "twice"),
        public_jwk("ES256", key_of("ES256"), "good"),
    )
    checked = Checked(fetched(lambda: document))
    for kid in ("enc", "twice"):
        assert await refusal(checked, signed(claims(), kid=kid)) is Refusal.UNKNOWN_KEY
    assert (await checked(signed(claims(), "ES256", kid="good"))).identity is not None
