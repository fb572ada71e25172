"""A configuration with an administrator of each tenant, and calls of REST as one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.support.running import CONFIG, OTHER_TENANT, TENANT, Client

ADMIN_KEY = "admin-key-0123456789abcdef"
MEMBER_KEY = "member-key-0123456789abcdef"
OTHER_ADMIN_KEY = "other-admin-key-0123456789abcdef"

_KEYS = [
    {"key": ADMIN_KEY, "tenant_id": str(TENANT), "role": "ADMIN", "principal_id": "ada"},
    {"key": MEMBER_KEY, "tenant_id": str(TENANT), "role": "MEMBER", "principal_id": "eve"},
    {"key": OTHER_ADMIN_KEY, "tenant_id": str(OTHER_TENANT), "role": "ADMIN", "principal_id": "bob"},
]
ADMINISTERED: Mapping[str, Any] = {
    **CONFIG,
    "auth": {
        "static_api_key": {"keys": [*CONFIG["auth"]["static_api_key"]["keys"], *_KEYS]},
        "endpoints": {"http": {"authorizer": "roles"}},
    },
}


async def ask(client: Client, method: str, path: str, body: object = None, **more: Any) -> tuple[int, Any]:
    """Return status and answer of a call; the path is below that of the tenant. By default, its administrator calls."""
    tenant = "other" if more.get("key") == OTHER_ADMIN_KEY else "test"
    answer = await client.rest(method, f"/api/v1/tenants/{tenant}{path}", body, **{"key": ADMIN_KEY, **more})
    return answer.status_code, answer.json if answer.content else None
