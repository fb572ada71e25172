"""PostgreSQL's key words by what they may be unquoted: the union of the releases 15 to 18 (``pg_get_keywords()``)."""

from __future__ import annotations

RESERVED = frozenset(
    """
    all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create
    current_catalog current_date current_role current_time current_timestamp current_user default deferrable desc
    distinct do else end except false fetch for foreign from grant group having in initially intersect into lateral
    leading limit localtime localtimestamp not null offset on only or order placing primary references returning
    select session_user some symmetric system_user table then to trailing true union unique user using variadic when
    where window with
    """.split()
)
"""Words that are never a name unless they are quoted."""

FUNCTIONS_ONLY = frozenset(
    """
    authorization binary collation concurrently cross current_schema freeze full ilike inner is isnull join left
    like natural notnull outer overlaps right similar tablesample verbose
    """.split()
)
"""Words that may name a function or a type, but neither a table nor a column."""

COLUMNS_ONLY = frozenset(
    """
    between bigint bit boolean char character coalesce dec decimal exists extract float greatest grouping inout int
    integer interval json_array json_arrayagg json_exists json_objectagg json_query json_scalar json_serialize
    json_table json_value least merge_action national nchar none normalize nullif numeric out overlay position
    precision real row setof smallint substring time timestamp treat trim values varchar xmlattributes xmlconcat
    xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable
    """.split()
)
"""Words that may name a table or a column, but in front of ``(`` are PostgreSQL's own syntax."""

NOT_A_NAME = RESERVED | FUNCTIONS_ONLY
"""Words that are never a table, a column or an alias unless they are quoted."""

NOT_A_LABEL = frozenset(
    """
    array as char character create day except fetch filter for from grant group having hour intersect into isnull
    limit minute month notnull offset on order over overlaps precision returning second to union varying where window
    with within without year
    """.split()
)
"""Words that name a result column only behind AS."""

NOT_A_CALL = (
    (RESERVED - {"current_user", "session_user"})
    | FUNCTIONS_ONLY
    | COLUMNS_ONLY
    | frozenset(
        "by columns cube escape filter groups insert materialized over range rollup rows set sets within zone".split()
    )
)
"""Words behind which sqlglot may see a call where PostgreSQL has syntax of its own."""
