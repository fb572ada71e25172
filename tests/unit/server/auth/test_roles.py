"""The authorizer by roles: who may do what inside a tenant, as a table."""

from __future__ import annotations

from uuid import UUID

import pytest

from core.auth import Action, AuthzContext, Identity, PrincipalType, Role
from server.auth.roles import RolesAuthorizer

MINE, OTHER = UUID(int=1), UUID(int=2)
OWNER = Identity(PrincipalType.USER, "owner", MINE, Role.OWNER)
ADMIN = Identity(PrincipalType.USER, "admin", MINE, Role.ADMIN)
MEMBER = Identity(PrincipalType.USER, "member", MINE, Role.MEMBER)
WITHOUT_ROLES = Identity(PrincipalType.USER, "nobody", MINE)
WORKER = Identity(PrincipalType.WORKER, "worker", MINE)
SERVICE = Identity(PrincipalType.SERVICE, "service", MINE)
EVERYBODY = (OWNER, ADMIN, MEMBER, WITHOUT_ROLES, WORKER, SERVICE)


@pytest.mark.parametrize(
    ("resource", "action", "allowed"),
    [
        ("workflow", Action.EXECUTE, {OWNER.id, ADMIN.id, MEMBER.id, WORKER.id, SERVICE.id}),
        ("workflow", Action.POLL, {OWNER.id, WORKER.id}),
        ("workflow-execution", Action.VIEW, {OWNER.id, ADMIN.id, MEMBER.id, WORKER.id, SERVICE.id}),
        ("workflow-execution", Action.UPDATE, {OWNER.id, ADMIN.id, MEMBER.id, WORKER.id, SERVICE.id}),
        ("task-execution", Action.CREATE, {OWNER.id, ADMIN.id, WORKER.id, SERVICE.id}),
        ("task-execution", Action.COMPLETE, {OWNER.id, WORKER.id}),
        ("task-execution", Action.DELETE, {OWNER.id, ADMIN.id, SERVICE.id}),
        ("worker", Action.CREATE, {OWNER.id, ADMIN.id, WORKER.id, SERVICE.id}),
        ("worker-token", Action.CREATE, {OWNER.id, ADMIN.id, SERVICE.id}),
        ("schedule", Action.VIEW, {OWNER.id, ADMIN.id, MEMBER.id, SERVICE.id}),
        ("schedule", Action.CREATE, {OWNER.id, ADMIN.id, SERVICE.id}),
        ("tenant", Action.VIEW, {OWNER.id, ADMIN.id, MEMBER.id, WORKER.id}),
    ],
)
async def test_a_role_may_what_the_table_says(resource: str, action: Action, allowed: set[str]) -> None:
    """In the caller's own tenant exactly these roles; in another tenant none."""
    authorizer = RolesAuthorizer()
    found = {
        each.id
        for each in EVERYBODY
        if (await authorizer.authorize(AuthzContext(each, action, resource, MINE))).allowed
    }
    assert found == allowed
    for each in EVERYBODY:
        assert not (await authorizer.authorize(AuthzContext(each, action, resource, OTHER))).allowed
