"""M033: a literal can name an object too."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.lint.facts import NamesSequence
from migrations.lint.functions import is_safe
from migrations.lint.readers.types import is_builtin
from migrations.lint.rules.rule import Context, Hit, Rule


def check(context: Context) -> Iterator[Hit]:
    """Report literals that name foreign objects, and arguments that are no literals."""
    for fact in context.anywhere(NamesSequence):
        if fact.name is None:
            yield Hit(fact.at, f"{fact.function}: the name must be a plain literal, so that it can be checked")
        elif not context.ownership.owns(fact.name) and not _harmless(fact):
            what = "sequence" if fact.function.endswith("val") else fact.function
            yield Hit(fact.at, f'{what} "{fact.name}" is not this plugin\'s')


def _harmless(fact: NamesSequence) -> bool:
    if fact.name is None or not fact.function.startswith("reg"):
        return False
    return is_builtin(fact.name) if fact.function == "regtype" else "proc" in fact.function and is_safe(fact.name)


RULE = Rule(
    id="M033",
    title="Sequence or object of others inside a literal",
    what=(
        "The argument of nextval, setval and currval, and regclass, regtype, regproc and regprocedure "
        "literals that do not name an own object."
    ),
    why=(
        "`nextval('core_seq')` burns the server's numbers, `setval` resets them, and a regclass default makes "
        "the plugin's table depend on the server's."
    ),
    instead="Name an own sequence as a plain literal.",
    bad="CREATE TABLE p_audit__a (id int DEFAULT nextval('core_seq'));",
    good="CREATE TABLE p_audit__a (id int DEFAULT nextval('p_audit__a_seq'));",
    check=check,
)
