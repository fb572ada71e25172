"""Create, list, rotate and revoke tokens for workers; a plugin of the edition issues them.

``create`` works on the database, so that it needs no credential; the others speak to a running server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import TYPE_CHECKING

from core.errors import NotFound, NotOffered
from server.boot.edition import Edition
from server.cli.parsers import integer
from server.cli.remote import commands
from server.cli.remote.client import segment
from server.cli.remote.commands import LIMIT_HELP, CommandCall, RestCommand, ident, option
from server.cli.remote.output import ID, Column, time_column

if TYPE_CHECKING:
    from core.auth import IssuedToken

_PATH = "/api/v1/p/worker-token/tokens"
_MOST_OVERLAP_S = 7 * 86_400

LIST = (
    ID,
    Column("NAME", "displayName"),
    Column("PREFIX", "prefix"),
    time_column("CREATED", "createdAt"),
    time_column("LAST USED", "lastUsedAt"),
    time_column("EXPIRES", "expiresAt"),
    time_column("REVOKED", "revokedAt"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = commands.declare(parser, COMMANDS)
    text = "create a token and print it once; on the database (DATABASE_URL)"
    made = actions.add_parser("create", help=text, description=text[0].upper() + text[1:] + ".")
    made.add_argument("--tenant", required=True, metavar="SLUG", help="slug of the tenant that the token is for")
    made.add_argument("--name", default="command line", help="the display name")
    made.add_argument("--json", action="store_true", help="print JSON")


def run(edition: Edition, arguments: argparse.Namespace) -> int:
    """Carry out the command."""
    if arguments.action != "create":
        return commands.carry_out(edition, arguments)
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
    from server.boot.database import open_database
    from server.boot.startup import without_serving
    from server.cli.database import prepared, reachable

    ready = await reachable(prepared(edition))
    async with open_database(ready.settings) as database, without_serving(ready, database) as plugins:
        issuer = plugins.registry.token_issuer()
        if issuer is None:
            raise NotOffered("no plugin of this edition issues tokens; use one with worker-token, such as 'full'")
        tenant = await database.tenants.by_slug(slug)
        if tenant is None:
            raise NotFound(f"there is no tenant {slug!r}; create it with 'flovyn-server tenant create {slug}'")
        return await issuer.issue(tenant.id, name)


def list_(call: CommandCall) -> int:
    """List tokens."""
    given = call.arguments
    query = {"count": "none", "includeRevoked": given.revoked}
    call.output.rows(call.client.rows(_PATH, "tokens", given.limit, **query), LIST, "there is no token")
    return 0


def rotate(call: CommandCall) -> int:
    """Give a token a new secret."""
    body = {"overlapSeconds": call.arguments.overlap}
    answer = call.client.call("POST", f"{_PATH}/{segment(call.arguments.id)}/rotate", body)
    call.output.done(answer, answer["token"])
    if not call.output.as_json:
        sys.stderr.write("This is the only time the token is shown.\n")
    return 0


def revoke(call: CommandCall) -> int:
    """Revoke a token."""
    call.client.call("DELETE", f"{_PATH}/{segment(call.arguments.id)}")
    call.output.done({"id": call.arguments.id, "revoked": True}, "revoked")
    return 0


_ID = ident("token")
COMMANDS = (
    RestCommand(
        "list",
        "list tokens for workers, oldest first",
        list_,
        (
            option("--revoked", action="store_true", help="revoked ones, too"),
            option("--limit", type=integer(1, 100_000), default=100, metavar="N", help=LIMIT_HELP),
        ),
        ("token list --revoked",),
    ),
    RestCommand(
        "rotate",
        "give a token a new secret and print it once",
        rotate,
        (
            _ID,
            option(
                "--overlap",
                type=integer(0, _MOST_OVERLAP_S),
                default=0,
                metavar="S",
                help="seconds for which the old secret stays valid (default: %(default)s)",
            ),
        ),
        ("token rotate ID --overlap 3600",),
    ),
    RestCommand("revoke", "revoke a token; its workers are refused at once", revoke, (_ID,), ("token revoke ID",)),
)
