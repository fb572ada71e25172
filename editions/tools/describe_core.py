"""Writes down the proofs of the core's migrations, the objects that these make, and the version of the rules."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from core.migration import CORE, PluginMigration, in_order
from migrations.lint import RULES_VERSION, core_objects
from migrations.lint.proof import proofs


def main(arguments: list[str]) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--migration", type=Path, action="append", required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    migrations = in_order(PluginMigration.parse(path.name, path.read_bytes()) for path in options.migration)
    facts = {
        "name": CORE,
        "rules": RULES_VERSION,
        "migrations": proofs(CORE, migrations),
        "objects": sorted(core_objects(migration.sql for migration in migrations)),
    }
    options.out.write_text(json.dumps(facts, sort_keys=True, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
