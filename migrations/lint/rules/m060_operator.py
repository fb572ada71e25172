"""M060: some things are the operator's alone."""

from __future__ import annotations

from migrations.lint.rules.rule import Rule

RULE = Rule(
    id="M060",
    title="What belongs to the operator",
    what=(
        "EXTENSION, SCHEMA, ROLE, DATABASE, TABLESPACE, GRANT, REVOKE, PUBLICATION, SUBSCRIPTION, foreign "
        "data, EVENT TRIGGER, CAST, OPERATOR, COLLATION, RULE, LANGUAGE and the like."
    ),
    why=(
        "They change the whole database, its rights, or how every statement in it is understood; many need "
        "rights that a server should not have."
    ),
    instead="Ask the operator; name needed extensions in requires_extensions of the plugin's server_plugin.",
    bad="CREATE EXTENSION pg_trgm;",
    good='-- BUILD.bazel: server_plugin(name = "audit", requires_extensions = ["pg_trgm"])',
    applies="both",
)
