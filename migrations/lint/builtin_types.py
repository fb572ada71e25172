"""Types that no plugin has to make: PostgreSQL's, and those of extensions that an operator may have installed."""

from __future__ import annotations

REG_TYPES = frozenset({"regclass", "regtype", "regproc", "regprocedure"})
"""Types whose literals name an object, and so depend on it."""

_OF_EXTENSIONS = """
    citext cube earth geography geometry halfvec hstore intarray lquery ltree ltxtquery query_int seg
    sparsevec vector
"""

_OF_POSTGRESQL = """
    any anyarray anycompatible anycompatiblearray anycompatiblemultirange anycompatiblenonarray
    anycompatiblerange anyelement anyenum anymultirange anynonarray anyrange bigint bigserial bit bool boolean
    box bpchar bytea char character cid cidr circle cstring date datemultirange daterange dec decimal double
    float float4 float8 inet int int2 int2vector int4 int4multirange int4range int8 int8multirange int8range
    integer interval json jsonb jsonpath line lseg macaddr macaddr8 money name national nchar numeric
    nummultirange numrange oid oidvector path pg_lsn pg_snapshot point polygon precision real record refcursor
    regcollation regconfig regdictionary regnamespace regoper regoperator regrole serial serial2 serial4
    serial8 smallint smallserial text tid time timestamp timestamptz timetz trigger tsmultirange tsquery
    tsrange tstzmultirange tstzrange tsvector txid_snapshot unknown uuid varbit varchar varying void xid xid8
    xml
"""

BUILTIN_TYPES = frozenset(_OF_POSTGRESQL.split()) | frozenset(_OF_EXTENSIONS.split()) | REG_TYPES
