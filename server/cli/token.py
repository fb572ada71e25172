"""Create tokens for workers; a plugin of the edition issues them."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from core.auth import IssuedToken
from core.errors import NotFound, NotOffered
from server.boot.database import open_database
from server.boot.edition import Edition
from server.boot.startup import without_serving
from server.cli.database import prepared, reachable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    create = parser.add_subparsers(dest="action", required=True).add_parser(
        "create", help="create a token and print it once"
    )
    create.add_argument("--tenant", required=True, metavar="SLUG", help="slug of the tenant that the token is for")
    create.add_argument("--name", default="command line", help="the display name")
    create.add_argument("--json", action="store_true", help="print JSON")


def run(edition: Edition, arguments: argparse.Namespace) -> int:
    """Create the token and print it."""
    issued = asyncio.run(create(edition, arguments.tenant, arguments.name))
    if arguments.json:
        sys.stdout.write(
            json.dumps({"id": str(issued.id), "token": issued.token, "displayName": issued.display_name}) + "\n"
        )
    else:
        sys.stdout.write(issued.token + "\n")
        sys.stderr.write("This is the only time the token is shown. Send it as 'authorization: Bearer <token>'.\n")
    return 0


async def create(edition: Edition, slug: str, name: str) -> IssuedToken:
    """Create a token of the tenant.

    Raises:
        NotOffered: no plugin of this edition issues tokens.
        NotFound: there is no such tenant.
    """
    ready = await reachable(prepared(edition))
    async with open_database(ready.settings) as database, without_serving(ready, database) as plugins:
        issuer = plugins.registry.token_issuer()
        if issuer is None:
            raise NotOffered("no plugin of this edition issues tokens; use one with worker-token, such as 'full'")
        tenant = await database.tenants.by_slug(slug)
        if tenant is None:
            raise NotFound(f"there is no tenant {slug!r}; create it with 'flovyn-server tenant create {slug}'")
        return await issuer.issue(tenant.id, name)
