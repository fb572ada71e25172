"""Operators, operator classes, access methods and collations that a migration may name: PostgreSQL's own.

Those of well-known extensions are among them (pg_trgm, hstore, ltree, cube, intarray, vector, citext), which the
operator of a database may have installed. Any other object of such a name was made by another owner.
"""

from __future__ import annotations

import re

COMPARISONS = frozenset({"=", "<", ">", "<=", ">=", "<>", "!="})

OPERATORS = frozenset(
    """
    !! !~ !~* !~~ !~~* # ## #- #> #>> % & && &< &<| &> * *< *<= *<> *= *> *>= + - -> ->> -|- / < <-> << <<= <<| <= <> <@
    <^ = > >= >> >>= >^ ? ?# ?& ?- ?-| ?| ?|| @ @-@ @> @? @@ @@@ ^ ^@ | |&> |/ |>> || ||/ ~ ~* ~<=~ ~<~ ~= ~>=~ ~>~ ~~
    ~~* !=
    <% %> <<% %>> <<-> <->> <<<-> <->>> #= %% %# ?@> ?<@ ?~ ?@ ^@> ^<@ ^~ ~> <#> <=> <+> <~> <%>
    """.split()
)

_CLASSES = frozenset(
    """
    jsonb_path_ops kd_point_ops quad_point_ops record_image_ops bpchar_pattern_ops text_pattern_ops
    varchar_pattern_ops box_inclusion_ops inet_inclusion_ops range_inclusion_ops multirange_ops poly_ops
    gin_trgm_ops gist_trgm_ops gin_hstore_ops gist_hstore_ops gist_ltree_ops gist__ltree_ops gin__int_ops gist__int_ops
    gist__intbig_ops gist_cube_ops citext_ops vector_ops vector_l2_ops vector_ip_ops vector_cosine_ops vector_l1_ops
    halfvec_l2_ops halfvec_ip_ops halfvec_cosine_ops halfvec_l1_ops sparsevec_l2_ops sparsevec_ip_ops
    sparsevec_cosine_ops bit_hamming_ops bit_jaccard_ops gist_geometry_ops_2d gist_geometry_ops_nd gist_geography_ops
    """.split()
)
_CLASS_OF_TYPE = re.compile(
    r"(aclitem|array|bit|bool|box|bpchar|bytea|char|cid|cidr|circle|date|enum|float4|float8|inet|int2|int4|int8|interval"
    r"|jsonb|macaddr|macaddr8|money|name|numeric|oid|oidvector|pg_lsn|point|range|record|text|tid|time|timestamp"
    r"|timestamptz|timetz|tsquery|tsvector|uuid|varbit|varchar|xid|xid8)(_bloom|_minmax|_minmax_multi)?_ops"
)
ACCESS_METHODS = frozenset("btree hash gist gin brin spgist hnsw ivfflat bloom".split())
_COLLATIONS = frozenset({"C", "POSIX", "default", "ucs_basic"})
_LOCALE = re.compile(r"(und|[a-z]{2,3})([-_][A-Za-z0-9]+)*(@[a-z]+)?(\.utf8|\.UTF-8|-x-icu)?|C\.(utf8|UTF-8)")


def is_class(name: str) -> bool:
    """Whether an operator class is PostgreSQL's or a well-known extension's."""
    return name in _CLASSES or _CLASS_OF_TYPE.fullmatch(name) is not None


def is_collation(name: str) -> bool:
    """Whether a collation is built in or has the form of a locale's, as initdb makes them."""
    return name in _COLLATIONS or (_LOCALE.fullmatch(name) is not None and any(sign in name for sign in "-_."))
