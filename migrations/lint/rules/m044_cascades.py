"""M044: the server's own DELETE must get through."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.lint.cascades import CONCERNED
from migrations.lint.rules.rule import Context, Hit, Rule


def check(context: Context) -> Iterator[Hit]:
    """Report triggers that the statement brings into a cascade, or makes harmful there."""
    concerned = [fact for fact in context.reading.facts if isinstance(fact, CONCERNED)]
    if not concerned:
        return
    before = context.world.cascades
    after = before.copy()
    for fact in context.reading.facts:
        after.take(fact)
    faults = after.faults(context.ownership) if after.triggers else set()
    for fault in sorted(faults - before.faults(context.ownership) if faults else faults):
        yield Hit(concerned[-1].at, fault)


RULE = Rule(
    id="M044",
    title="Trigger that can stop a cascade from the server's tables",
    what=(
        "A trigger BEFORE DELETE on a table that ON DELETE CASCADE leads to from a table of the server's, directly or "
        "over own tables, unless every path of its function returns OLD and nothing on it can fail; a trigger BEFORE "
        "UPDATE behind ON DELETE SET NULL that returns something else than NEW; a trigger AFTER either of them that "
        "raises an exception."
    ),
    why=(
        "Such a trigger runs inside the server's own DELETE. When it raises, the server cannot delete the tenant; when "
        "it returns NULL, the tenant goes and the row stays, with a foreign key that points nowhere."
    ),
    instead=(
        "Make the trigger AFTER DELETE, without RAISE EXCEPTION; or let its function begin with "
        "IF TG_OP = 'DELETE' THEN RETURN OLD; END IF."
    ),
    bad=(
        "CREATE TABLE p_audit__own (tenant_id uuid PRIMARY KEY REFERENCES tenant (id) ON DELETE CASCADE);\n"
        "CREATE FUNCTION p_audit__keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;\n"
        "CREATE TRIGGER keep BEFORE DELETE ON p_audit__own FOR EACH ROW EXECUTE FUNCTION p_audit__keep();"
    ),
    good=(
        "CREATE FUNCTION p_audit__note() RETURNS trigger LANGUAGE plpgsql AS $$\n"
        "BEGIN INSERT INTO p_audit__gone (id) VALUES (OLD.id); RETURN NULL; END $$;\n"
        "CREATE TRIGGER note AFTER DELETE ON p_audit__entry FOR EACH ROW EXECUTE FUNCTION p_audit__note();"
    ),
    check=check,
)
