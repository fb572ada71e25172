"""``/api/v1/edition``: the content of the running edition, and the migrations that its database has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum

import falcon.asgi
from pydantic import Field

from core.auth import Action
from core.build_info import BuildInfo
from core.endpoints import RestRoute, Scope
from core.migration import CORE
from core.rest_model import RestModel
from server.migrator.history import Owner
from server.storage.applied_migrations import AppliedMigration, AppliedMigrationRepository

Request = falcon.asgi.Request
Response = falcon.asgi.Response


class MigrationState(StrEnum):
    """APPLIED: database and edition have it. PENDING: the database lacks it. NEWER: only a newer edition has it."""

    APPLIED = "APPLIED"
    PENDING = "PENDING"
    NEWER = "NEWER"


class EditionPlugin(RestModel):
    """A plugin of the edition."""

    name: str
    version: str


class EditionMigration(RestModel):
    """A migration of the core or of a plugin."""

    owner: str = Field(description=f"{CORE}, or the name of a plugin")
    version: int
    description: str
    state: MigrationState
    applied_at: datetime | None
    duration_ms: int | None

    @classmethod
    def of(cls, applied: AppliedMigration, *, known: bool) -> EditionMigration:
        """Return the body of an applied migration; ``known`` says whether the edition has it."""
        return cls(
            owner=applied.owner,
            version=applied.version,
            description=applied.description,
            state=MigrationState.APPLIED if known else MigrationState.NEWER,
            applied_at=applied.applied_at,
            duration_ms=applied.duration_ms,
        )


class EditionBody(RestModel):
    """The running edition: members about its build are null where the build did not stamp them."""

    name: str
    version: str
    python: str
    platform: str | None
    commit: str | None
    commit_date: str | None
    plugins: list[EditionPlugin]
    migrations: list[EditionMigration]


class EditionResource:
    """The route of the edition. ``owners`` returns the core and the plugins with their migrations."""

    def __init__(
        self, build_info: BuildInfo, owners: Callable[[], Sequence[Owner]], applied: AppliedMigrationRepository
    ) -> None:
        self._build_info = build_info
        self._owners = owners
        self._applied = applied

    def routes(self) -> list[RestRoute]:
        """Return the route."""
        route = RestRoute(
            "GET",
            "/api/v1/edition",
            self.get,
            Action.VIEW,
            "edition",
            "Get the content of the edition and the migrations of its database",
            response_model=EditionBody,
            scope=Scope.ANYBODY,
            tag="server",
        )
        return [route]

    async def get(self, _request: Request, response: Response) -> None:
        """Return the edition."""
        info = self._build_info
        response.media = EditionBody(
            name=info.edition,
            version=info.version,
            python=info.python,
            platform=info.platform,
            commit=info.commit,
            commit_date=info.commit_date,
            plugins=[EditionPlugin(name=each.name, version=each.version) for each in info.plugins],
            migrations=list(_migrations(self._owners(), await self._applied.applied())),
        ).as_json()


def _migrations(owners: Sequence[Owner], applied: Sequence[AppliedMigration]) -> Iterator[EditionMigration]:
    """Yield the migrations of each owner, the core first; then those of plugins that the edition does not have."""
    names = [each.name for each in owners]
    known = {(owner.name, each.version): each for owner in owners for each in owner.migrations}
    done = {(each.owner, each.version): each for each in applied}
    places = {name: place for place, name in enumerate(names)}
    for key in sorted(known.keys() | done.keys(), key=lambda key: (places.get(key[0], len(names)), key)):
        if key in done:
            yield EditionMigration.of(done[key], known=key in known)
            continue
        yield EditionMigration(
            owner=key[0],
            version=key[1],
            description=known[key].description,
            state=MigrationState.PENDING,
            applied_at=None,
            duration_ms=None,
        )
