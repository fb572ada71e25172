"""Step: the REST app, which gunicorn serves once all steps are done."""

from __future__ import annotations

from core.auth import Protocol
from server.admission.call_caps import CallCaps
from server.admission.pipeline import Admission
from server.boot.authentication import Authentication
from server.boot.database import DatabaseParts
from server.boot.plugins import Plugins
from server.boot.stopping import Stopping
from server.engine.engine import Engine
from server.rest_api.app import AsgiApp, build_app
from server.rest_api.guard import RestGuard
from server.rest_api.resources.health import Health


def make_rest_api(
    plugins: Plugins,
    authentication: Authentication,
    database: DatabaseParts,
    engine: Engine,
    *,
    call_caps: CallCaps,
    stopping: Stopping,
) -> AsgiApp:
    """Build the app of all routes, the server's and the plugins'."""

    async def why_not_ready() -> dict[str, str | None]:
        serving = "the server is stopping" if stopping.has_begun else None
        return {"database": await database.pool.writes.why_not(), "serving": serving}

    stack = authentication.stacks[Protocol.REST]
    admission = Admission(stack, authentication.observers, call_caps, authentication.meter)
    guard = RestGuard(admission, database.tenants, engine.repeats, plugins.browser_calls)
    health = Health(plugins.prepared.edition.build_info, why_not_ready)
    return build_app(plugins.routes, guard, health, plugins.pages)
