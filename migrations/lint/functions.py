"""Functions that a migration may call: they compute from their arguments, or look at the clock or the catalog.

PostgreSQL's own are listed by class (``builtin_functions``, made by ``migrations.tools.list_functions``). Left out on
purpose: what runs SQL that is given as text (``query_to_xml``, ``ts_stat``, ``dblink``), reads a table that is named in
an argument (``table_to_xml``), changes settings (``set_config``), waits or locks (``pg_sleep``, ``pg_advisory_lock``),
signals (``pg_terminate_backend``), or touches files and large objects (``pg_read_file``, ``lo_import``).
"""

from __future__ import annotations

from migrations.lint.builtin_functions import FUNCTIONS, NEWER
from migrations.lint.names import Name

SIZE_FUNCTIONS = frozenset("pg_relation_size pg_table_size pg_indexes_size pg_total_relation_size".split())
"""Functions that may be asked about the plugin's own relations, named by a plain literal."""

_EXTENSIONS = frozenset(
    """
    akeys armor avals binary_quantize citext cosine_distance crypt cube cube_distance dearmor defined difference digest
    dmetaphone each earth_distance exist gen_random_bytes gen_salt hmac hstore hstore_to_json hstore_to_jsonb
    inner_product l1_distance l2_distance l2_norm l2_normalize lca levenshtein ll_to_earth ltree2text metaphone nlevel
    pgp_pub_decrypt pgp_pub_encrypt pgp_sym_decrypt pgp_sym_encrypt show_trgm similarity skeys slice soundex
    strict_word_similarity subltree subpath svals text2ltree unaccent uuid_generate_v1 uuid_generate_v1mc
    uuid_generate_v3 uuid_generate_v4 uuid_generate_v5 vector_dims vector_norm word_similarity
    """.split()
)
"""Of extensions that an operator may have installed: pgcrypto, pg_trgm, hstore, uuid-ossp, ltree, vector, unaccent."""

_CASTS = frozenset("inet json jsonb uuid".split())
"""Types whose names PostgreSQL takes for a cast when they are called."""

VOLATILE = frozenset(
    """
    clock_timestamp current_query currval gen_random_bytes gen_random_uuid gen_salt nextval pg_indexes_size
    pg_is_in_recovery pg_relation_size pg_table_size pg_total_relation_size pg_xact_status random setval timeofday
    txid_status uuid_generate_v1 uuid_generate_v1mc uuid_generate_v4
    """.split()
)
"""Functions that may give another result for each row."""

SAFE_FUNCTIONS = FUNCTIONS | _EXTENSIONS | _CASTS | SIZE_FUNCTIONS

_OWN_SETTINGS = ("app.",)
SETTINGS = frozenset(
    """
    application_name client_encoding datestyle default_text_search_config idle_in_transaction_session_timeout
    intervalstyle lc_collate lc_ctype lock_timeout server_encoding server_version server_version_num statement_timeout
    timezone transaction_isolation transaction_read_only
    """.split()
)
"""Settings that a migration may read, beside those that applications make up (``app.…``)."""


def is_safe(name: Name) -> bool:
    """Whether a name means one of these functions and can mean nothing else."""
    return name.last in SAFE_FUNCTIONS and _built_in(name)


_OVERLOADS = {
    ("generate_series", 4): 16,
    ("random", 2): 17,
    ("timezone", 1): 17,
    ("json_strip_nulls", 2): 18,
    ("jsonb_strip_nulls", 2): 18,
}
"""Forms of older functions, by their number of arguments, that later releases brought."""


def needs(name: Name, arguments: int | None = None) -> int | None:
    """Return the release that brought a harmless function, or its form with so many arguments; None for 15."""
    if not _built_in(name):
        return None
    return NEWER.get(name.last) or _OVERLOADS.get((name.last, -1 if arguments is None else arguments))


def may_read(setting: str, prefix: str) -> bool:
    """Whether a migration of the plugin with this prefix may read a setting."""
    name = setting.lower()
    return name in SETTINGS or name.startswith((*_OWN_SETTINGS, f"{prefix.rstrip('_')}.", f"{prefix[2:].rstrip('_')}."))


def _built_in(name: Name) -> bool:
    return name.parts[:-1] in ((), ("pg_catalog",))
