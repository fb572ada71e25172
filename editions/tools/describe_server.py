"""Writes down the names that the server itself takes, so that no edition is built whose plugins claim one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from server.plugin_checks.contributions import Contributions
from server.plugin_registry.server_names import server_names
from server.rest_api.routes import server_routes


class Anything:
    """Stands for the parts of a server that routes are made of; nothing is called here."""

    def __getattr__(self, _name: str) -> Any:
        """Return itself: a part of a part."""
        return self


def describe() -> Contributions:
    """Return the names, as a starting server finds them."""
    part: Any = Anything()
    routes = server_routes(
        part,
        part,
        part,
        worker_silence=0,
        scrape=part,
        cursors=part,
        make_document=dict,
        browser_calls=part,
        console_pages=list,
        build_info=part,
        owners=list,
    )
    return server_names(routes)


def main(arguments: list[str]) -> int:
    """Run from the command line: the file to write."""
    (out,) = arguments
    Path(out).write_text(json.dumps(describe().as_json(), sort_keys=True, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
