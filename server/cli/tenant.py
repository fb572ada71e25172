"""Create and list tenants."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from core.tenant import Tenant
from server.boot.edition import Edition
from server.cli.database import configured_pool, prepared
from server.engine.tenants import create_tenant
from server.storage.tenants import TenantRepository

LISTED = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="action", required=True)
    create = actions.add_parser("create", help="create a tenant")
    create.add_argument("slug", help="the name in URLs: a-z, 0-9 and '-'")
    create.add_argument("--name", help="the display name (default: the slug)")
    create.add_argument("--tier", default="FREE")
    create.add_argument("--region")
    listing = actions.add_parser("list", help=f"list the first {LISTED} tenants")
    for each in (create, listing):
        each.add_argument("--json", action="store_true", help="print JSON")


def run(edition: Edition, arguments: argparse.Namespace) -> int:
    """Do it and print the tenants concerned."""
    tenants = asyncio.run(_run(edition, arguments))
    if arguments.json:
        listed = [{"id": str(each.id), "slug": each.slug, "name": each.name} for each in tenants]
        sys.stdout.write(json.dumps(listed[0] if arguments.action == "create" else listed) + "\n")
    else:
        sys.stdout.write("".join(f"{each.id}  {each.slug}  {each.name}\n" for each in tenants))
    return 0


async def _run(edition: Edition, arguments: argparse.Namespace) -> list[Tenant]:
    async with configured_pool(prepared(edition)) as pool:
        repository = TenantRepository(pool)
        if arguments.action == "list":
            return await repository.oldest(LISTED)
        name = arguments.name or arguments.slug
        return [await create_tenant(repository, arguments.slug, name, arguments.tier, arguments.region)]
