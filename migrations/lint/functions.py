"""Functions that a migration may call: they compute from their arguments, or look at the clock or the catalog.

Left out on purpose: what runs SQL that is given as text (``query_to_xml``, ``ts_stat``, ``ts_rewrite``,
``dblink``), changes settings (``set_config``), waits or locks (``pg_sleep``, ``pg_advisory_lock``), signals
(``pg_notify``, ``pg_terminate_backend``), or touches files and large objects (``pg_read_file``, ``lo_import``).
A few are of extensions that an operator may have installed: pgcrypto, pg_trgm, hstore, uuid-ossp, ltree, vector.
"""

from __future__ import annotations

from migrations.lint.names import Name

SAFE_FUNCTIONS = frozenset(
    """
    abbrev abs acos acosd acosh age akeys any_value area armor array_agg array_append array_cat array_dims
    array_fill array_length array_lower array_ndims array_position array_positions array_prepend array_remove
    array_replace array_reverse array_sample array_shuffle array_sort array_to_json array_to_string
    array_to_tsvector array_upper ascii asin asind asinh atan atan2 atan2d atand atanh avals avg bernoulli
    binary_quantize bit_and bit_count bit_length bit_or bit_xor bool bool_and bool_or box bpchar broadcast btrim
    cardinality casefold cbrt ceil ceiling center char_length character_length chr cidr circle citext
    clock_timestamp coalesce col_description concat concat_ws convert convert_from convert_to corr cos cosd cosh
    cosine_distance cot cotd count covar_pop covar_samp crc32 crc32c crypt cube cube_distance cume_dist
    current_database current_date current_schema current_setting current_user currval date date_add date_bin
    date_part date_subtract date_trunc datemultirange daterange daterange_subdiff dearmor decode defined degrees
    dense_rank diagonal diameter difference digest div dmetaphone each earth_distance encode enum_first enum_last
    enum_range erf erfc every exist exp extract factorial family first_value float8 float8mi floor format
    format_type gamma gcd gen_random_bytes gen_random_uuid gen_salt generate_series generate_subscripts get_bit
    get_byte get_current_ts_config greatest grouping hash_array hash_record hashtext hashtextextended height hmac
    host hostmask hstore hstore_to_json hstore_to_jsonb inet inet_merge inet_same_family initcap inner_product int4
    int4multirange int4range int4range_subdiff int8 int8multirange int8range int8range_subdiff interval
    is_normalized isclosed isempty isfinite isopen json json_agg json_agg_strict json_array json_array_elements
    json_array_elements_text json_array_length json_arrayagg json_build_array json_build_object json_each
    json_each_text json_exists json_extract_path json_extract_path_text json_object json_object_agg
    json_object_agg_strict json_object_agg_unique json_object_agg_unique_strict json_object_keys json_objectagg
    json_populate_record json_populate_recordset json_query json_scalar json_serialize json_strip_nulls json_table
    json_to_record json_to_recordset json_to_tsvector json_typeof json_value jsonb jsonb_agg jsonb_agg_strict
    jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object
    jsonb_each jsonb_each_text jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object jsonb_object_agg
    jsonb_object_agg_strict jsonb_object_agg_unique jsonb_object_agg_unique_strict jsonb_object_keys
    jsonb_path_exists jsonb_path_exists_tz jsonb_path_match jsonb_path_match_tz jsonb_path_query
    jsonb_path_query_array jsonb_path_query_array_tz jsonb_path_query_first jsonb_path_query_first_tz
    jsonb_path_query_tz jsonb_populate_record jsonb_populate_record_valid jsonb_populate_recordset jsonb_pretty
    jsonb_set jsonb_set_lax jsonb_strip_nulls jsonb_to_record jsonb_to_recordset jsonb_to_tsvector jsonb_typeof
    justify_days justify_hours justify_interval l1_distance l2_distance l2_norm l2_normalize lag last_value lca lcm
    lead least left length levenshtein lgamma line ll_to_earth ln log log10 lower lower_inc lower_inf lpad lseg
    ltree2text ltrim make_date make_interval make_time make_timestamp make_timestamptz masklen max md5 merge_action
    metaphone min min_scale mod mode multirange netmask nextval nlevel normalize now nth_value ntile nullif
    num_nonnulls num_nulls numeric nummultirange numrange numrange_subdiff obj_description octet_length overlaps
    overlay parse_ident path percent_rank percentile_cont percentile_disc pg_client_encoding pg_collation_for
    pg_column_size pg_current_xact_id pg_get_serial_sequence pg_size_bytes pg_size_pretty pg_trigger_depth pg_typeof
    pgp_pub_decrypt pgp_pub_encrypt pgp_sym_decrypt pgp_sym_encrypt phraseto_tsquery pi plainto_tsquery point
    polygon position pow power quote_ident quote_literal quote_nullable radians radius random random_normal
    range_agg range_intersect_agg range_merge rank regexp_count regexp_instr regexp_like regexp_match regexp_matches
    regexp_replace regexp_split_to_array regexp_split_to_table regexp_substr regr_avgx regr_avgy regr_count
    regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy repeat replace reverse right round row_number
    row_to_json rpad rtrim scale session_user set_bit set_byte set_masklen setval setweight sha224 sha256 sha384
    sha512 show_trgm sign similarity sin sind sinh skeys slice soundex split_part sqrt statement_timestamp stddev
    stddev_pop stddev_samp strict_word_similarity string_agg string_to_array string_to_table strip strpos subltree
    subpath substr substring sum svals system tan tand tanh text text2ltree time timeofday timestamp timestamptz
    timetz timezone to_ascii to_bin to_char to_date to_hex to_json to_jsonb to_number to_oct to_regclass to_regproc
    to_regtype to_timestamp to_tsquery to_tsvector transaction_timestamp translate trim trim_array trim_scale trunc
    ts_delete ts_filter ts_headline ts_lexize ts_rank ts_rank_cd tsmultirange tsquery_phrase tsrange tsrange_subdiff
    tstzmultirange tstzrange tstzrange_subdiff tsvector_to_array unaccent unicode_assigned unistr unnest upper
    upper_inc upper_inf uuid uuid_extract_timestamp uuid_extract_version uuid_generate_v1 uuid_generate_v1mc
    uuid_generate_v3 uuid_generate_v4 uuid_generate_v5 uuidv4 uuidv7 varchar vector_dims vector_norm
    websearch_to_tsquery width width_bucket word_similarity xmlagg xmlcomment xmlconcat xmlelement xmlexists
    xmlforest xmlparse xmlpi xmlroot xmlserialize xmltable xmltext xpath xpath_exists
    """.split()
)


def is_safe(name: Name) -> bool:
    """Whether a name means one of these functions and can mean nothing else."""
    return name.last in SAFE_FUNCTIONS and name.parts[:-1] in ((), ("pg_catalog",))
