"""Makes ``migrations/lint/builtin_functions.py`` from ``pg_proc`` of every supported PostgreSQL.

    python -m migrations.tools.list_functions postgres://…15 postgres://…16 postgres://…17 postgres://…18

A function is harmless when it computes from its arguments or looks at the clock or the catalog. That is decided by its
volatility and its class: immutable and stable functions are, but for those that support types and indexes, take
PostgreSQL's internal types, or read a table that an argument names; of the volatile ones and of those that begin with
``pg_``, a short list is.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence

import psycopg

OLDEST = 15
_WIDTH = 118

_CLASSES = b"""
SELECT p.proname,
    bool_or(p.provolatile = 'v')
    OR bool_or(p.prokind = 'p')
    OR bool_or(p.prorettype = ANY (ARRAY['internal', 'cstring', 'trigger', 'event_trigger', 'language_handler',
        'fdw_handler', 'index_am_handler', 'table_am_handler', 'tsm_handler']::regtype[]))
    OR bool_or(EXISTS (
        SELECT 1 FROM unnest(p.proargtypes) AS a
        WHERE a = ANY (ARRAY['internal', 'cstring', 'pg_ddl_command']::regtype[])
    ))
    OR bool_and(EXISTS (SELECT 1 FROM pg_operator AS o WHERE o.oprcode = p.oid))
FROM pg_proc AS p WHERE p.pronamespace = 'pg_catalog'::regnamespace GROUP BY p.proname
"""
_SUPPORT = re.compile(
    r".*(send|recv|typmodin|typmodout|cmp|larger|smaller|_accum|_accum_inv|_avg|_sum|_combine|_transfn|_statefunc|_inc"
    r"|_hash|_hash_extended|_canonical|equalimage|_validator|_compress)|hash.*extended|hash(?!text$|text$).*"
    r"|bt.*cmp|float8_.*|int[248](inc|dec).*|.*_to_xml.*|.*_to_xmlschema|gin_.*|spg_.*|brin_.*|regclass|popen|pclose|in_range"
    r"|acl.*|makeaclitem|satisfies_hash_partition|numeric_(inc|exp|ln|log|sqrt)|dlog1|dlog10|dexp|dround|dtrunc|ts_debug"
    r"|querytree|shobj_description|xmlvalidate|current_schemas|row_security_active|has_.*_privilege|getpgusername"
)
_ALLOWED = frozenset(
    word
    for line in (
        "array_append array_cat array_prepend array_sample array_shuffle bernoulli clock_timestamp current_query",
        "currval float8mi gen_random_uuid has_table_privilege hash_array hash_record hashtext hashtextextended",
        "json_extract_path json_extract_path_text jsonb_extract_path jsonb_extract_path_text lower_inc nextval",
        "pg_backend_pid pg_client_encoding pg_collation_for pg_column_compression pg_column_size pg_current_snapshot",
        "pg_current_xact_id pg_current_xact_id_if_assigned pg_get_serial_sequence pg_has_role pg_input_is_valid",
        "pg_is_in_recovery pg_lsn pg_size_bytes pg_size_pretty pg_snapshot_xip pg_snapshot_xmax pg_snapshot_xmin",
        "pg_trigger_depth pg_typeof pg_visible_in_snapshot pg_wal_lsn_diff pg_xact_status random random_normal setval",
        "system timeofday txid_current txid_status upper_inc uuidv4 uuidv7",
    )
    for word in line.split()
)


def harmless(rows: Mapping[str, bool]) -> set[str]:
    """Return the harmless functions of one server; ``rows`` says of each whether its class speaks against it."""
    by_class = {
        name
        for name, barred in rows.items()
        if not barred and not name.startswith("pg_") and not _SUPPORT.fullmatch(name)
    }
    return by_class | (_ALLOWED & rows.keys())


def module(servers: Mapping[int, set[str]]) -> str:
    """Return the module's text for the harmless functions by release."""
    old = servers[OLDEST]
    newer: dict[str, int] = {}
    for release in sorted(servers):
        for name in servers[release] - old:
            newer.setdefault(name, release)
    lines = ['"""Harmless functions of PostgreSQL, made by ``migrations.tools.list_functions``."""', ""]
    lines += ["from __future__ import annotations", "", "FUNCTIONS = frozenset(", '    """', *_wrapped(sorted(old))]
    lines += ['    """.split()', ")", f'"""Those of PostgreSQL {OLDEST}."""', "", "NEWER = {"]
    lines += [f'    "{name}": {release},' for name, release in sorted(newer.items())]
    lines += ["}", '"""Those of later releases, with the release."""', ""]
    return "\n".join(lines)


def _wrapped(names: Sequence[str]) -> list[str]:
    lines, line = [], "   "
    for name in names:
        if len(line) + len(name) > _WIDTH:
            lines.append(line)
            line = "   "
        line += f" {name}"
    return [*lines, line]


def main(addresses: Sequence[str]) -> int:
    """Print the module for the servers at the addresses."""
    servers = {}
    for address in addresses:
        with psycopg.connect(address) as connection:
            rows: dict[str, bool] = dict(connection.execute(_CLASSES).fetchall())
            servers[connection.info.server_version // 10000] = harmless(rows)
    sys.stdout.write(module(servers))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
