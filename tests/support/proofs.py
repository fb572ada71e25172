"""Forged proofs: those of a build that checked nothing, to test the checks behind the linter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from migrations.lint.proof import proofs
from server.migrator.history import Owner
from server.migrator.proof import Proofs


def forged(owner: Owner) -> Proofs:
    """Return the proofs of an edition whose build did not apply the rules, and so accepted no routine."""
    return {key: {**entry, "routines": {}} for key, entry in proved(owner).items()}


def proved(owner: Owner) -> Proofs:
    """Return the proofs of an edition whose build accepted the owner's migrations."""
    migrations: Sequence[Any] = owner.migrations
    return {(owner.name, entry["file"]): entry for entry in proofs(owner.name, migrations)}
