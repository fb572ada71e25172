"""PostgreSQL's key words, as far as they decide what a word in front of a parenthesis or a literal is."""

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

NOT_A_NAME = RESERVED | frozenset(
    """
    authorization binary collation concurrently cross current_schema freeze full ilike inner is isnull join left
    like natural notnull outer overlaps right similar tablesample verbose
    """.split()
)
"""Words that are never a table, a column or an alias unless they are quoted."""

NOT_A_CALL = (RESERVED - {"current_user", "session_user"}) | frozenset(
    """
    between bit by char character columns cube dec decimal escape exists filter float grouping groups ilike inner
    insert int integer interval into is isnull join like materialized national nchar notnull numeric outer over
    precision range real rollup row rows set sets similar smallint substring time timestamp values varchar varying
    within zone
    """.split()
)
"""Words after which ``(`` opens a list, a group or a type's size; no function of the server has such a name."""

NOT_A_TYPE = RESERVED | frozenset(
    """
    between by end escape following ilike in is like next of over preceding prior similar separator set value values
    zone encoding format path version standalone columns passing uescape name
    """.split()
)
"""Words after which a literal is an operand of its own and not the text of a typed constant."""
