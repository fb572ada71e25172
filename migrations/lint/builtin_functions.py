"""Harmless functions of PostgreSQL, made by ``migrations.tools.list_functions``."""

from __future__ import annotations

FUNCTIONS = frozenset(
    """
    abbrev abs acos acosd acosh age area array_agg array_append array_cat array_dims array_fill array_length
    array_lower array_ndims array_position array_positions array_prepend array_remove array_replace array_to_json
    array_to_string array_to_tsvector array_upper ascii asin asind asinh atan atan2 atan2d atand atanh avg bernoulli
    bit bit_and bit_count bit_length bit_or bit_xor bool bool_and bool_or bound_box box bpchar broadcast btrim
    cardinality cash_words cbrt ceil ceiling center char char_length character_length chr cidr circle clock_timestamp
    col_description concat concat_ws convert convert_from convert_to corr cos cosd cosh cot cotd count covar_pop
    covar_samp cume_dist current_database current_query current_schema current_setting current_user currval date
    date_bin date_cmp_timestamp date_cmp_timestamptz date_part date_trunc datemultirange daterange daterange_subdiff
    decode degrees dense_rank diagonal diameter div encode enum_first enum_last enum_range every exp extract factorial
    family first_value float4 float8 float8mi floor format format_type gcd gen_random_uuid generate_series
    generate_subscripts get_bit get_byte get_current_ts_config getdatabaseencoding has_table_privilege hash_array
    hash_record hashtext hashtextextended height host hostmask inet_client_addr inet_client_port inet_merge
    inet_same_family inet_server_addr inet_server_port initcap int2 int4 int4multirange int4range int4range_subdiff
    int8 int8multirange int8range int8range_subdiff interval is_normalized isclosed isempty isfinite ishorizontal
    isopen isparallel isperp isvertical json_agg json_array_elements json_array_elements_text json_array_length
    json_build_array json_build_object json_each json_each_text json_extract_path json_extract_path_text json_object
    json_object_agg json_object_keys json_populate_record json_populate_recordset json_strip_nulls json_to_record
    json_to_recordset json_to_tsvector json_typeof jsonb_agg jsonb_array_elements jsonb_array_elements_text
    jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text jsonb_extract_path
    jsonb_extract_path_text jsonb_insert jsonb_object jsonb_object_agg jsonb_object_keys jsonb_path_exists
    jsonb_path_exists_tz jsonb_path_match jsonb_path_match_tz jsonb_path_query jsonb_path_query_array
    jsonb_path_query_array_tz jsonb_path_query_first jsonb_path_query_first_tz jsonb_path_query_tz
    jsonb_populate_record jsonb_populate_recordset jsonb_pretty jsonb_set jsonb_set_lax jsonb_strip_nulls
    jsonb_to_record jsonb_to_recordset jsonb_to_tsvector jsonb_typeof justify_days justify_hours justify_interval lag
    last_value lcm lead left length like like_escape line ln log log10 lower lower_inc lower_inf lpad lseg ltrim
    macaddr macaddr8 macaddr8_set7bit make_date make_interval make_time make_timestamp make_timestamptz masklen max md5
    min min_scale mod mode money multirange mxid_age name nameconcatoid netmask network nextval normalize notlike now
    npoints nth_value ntile num_nonnulls num_nulls numeric numeric_div_trunc nummultirange numnode numrange
    numrange_subdiff obj_description octet_length oid oidvectortypes overlaps overlay parse_ident path percent_rank
    percentile_cont percentile_disc pg_backend_pid pg_client_encoding pg_collation_for pg_column_compression
    pg_column_size pg_current_snapshot pg_current_xact_id pg_current_xact_id_if_assigned pg_get_serial_sequence
    pg_has_role pg_is_in_recovery pg_lsn pg_size_bytes pg_size_pretty pg_snapshot_xip pg_snapshot_xmax pg_snapshot_xmin
    pg_trigger_depth pg_typeof pg_visible_in_snapshot pg_wal_lsn_diff pg_xact_status phraseto_tsquery pi
    plainto_tsquery point polygon position pow power quote_ident quote_literal quote_nullable radians radius random
    range_agg range_intersect_agg range_merge rank regexp_count regexp_instr regexp_like regexp_match regexp_matches
    regexp_replace regexp_split_to_array regexp_split_to_table regexp_substr regr_avgx regr_avgy regr_count
    regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy repeat replace reverse right round row_number
    row_to_json rpad rtrim scale session_user set_bit set_byte set_masklen setval setweight sha224 sha256 sha384 sha512
    sign similar_escape similar_to_escape sin sind sinh slope split_part sqrt statement_timestamp stddev stddev_pop
    stddev_samp string_agg string_to_array string_to_table strip strpos substr substring sum system tan tand tanh text
    textlen time timeofday timestamp timestamp_cmp_date timestamp_cmp_timestamptz timestamptz timestamptz_cmp_date
    timestamptz_cmp_timestamp timetz timezone to_ascii to_char to_date to_hex to_json to_jsonb to_number to_regclass
    to_regcollation to_regnamespace to_regoper to_regoperator to_regproc to_regprocedure to_regrole to_regtype
    to_timestamp to_tsquery to_tsvector transaction_timestamp translate trim_array trim_scale trunc ts_delete ts_filter
    ts_headline ts_lexize ts_parse ts_rank ts_rank_cd ts_token_type tsmultirange tsquery_phrase tsrange tsrange_subdiff
    tstzmultirange tstzrange tstzrange_subdiff tsvector_to_array txid_current txid_current_if_assigned
    txid_current_snapshot txid_snapshot_xip txid_snapshot_xmax txid_snapshot_xmin txid_status txid_visible_in_snapshot
    unistr unnest upper upper_inc upper_inf var_pop var_samp varbit varchar variance version websearch_to_tsquery width
    width_bucket xid xml xml_is_well_formed xml_is_well_formed_content xml_is_well_formed_document xmlagg xmlcomment
    xmlconcat2 xmlexists xpath xpath_exists
    """.split()
)
"""Those of PostgreSQL 15."""

NEWER = {
    "any_value": 16,
    "array_reverse": 18,
    "array_sample": 16,
    "array_shuffle": 16,
    "array_sort": 18,
    "bytea": 18,
    "casefold": 18,
    "crc32": 18,
    "crc32c": 18,
    "date_add": 16,
    "date_subtract": 16,
    "erf": 16,
    "erfc": 16,
    "gamma": 18,
    "gist_translate_cmptype_common": 18,
    "icu_unicode_version": 17,
    "json_agg_strict": 16,
    "json_object_agg_strict": 16,
    "json_object_agg_unique": 16,
    "json_object_agg_unique_strict": 16,
    "jsonb_agg_strict": 16,
    "jsonb_object_agg_strict": 16,
    "jsonb_object_agg_unique": 16,
    "jsonb_object_agg_unique_strict": 16,
    "jsonb_populate_record_valid": 17,
    "lgamma": 18,
    "pg_input_is_valid": 16,
    "random_normal": 16,
    "system_user": 16,
    "to_bin": 17,
    "to_oct": 17,
    "to_regtypemod": 17,
    "unicode_assigned": 17,
    "unicode_version": 17,
    "uuid_extract_timestamp": 17,
    "uuid_extract_version": 17,
    "uuidv4": 18,
    "uuidv7": 18,
    "xmltext": 17,
}
"""Those of later releases, with the release."""
