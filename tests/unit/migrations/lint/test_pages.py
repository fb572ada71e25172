"""One rule, one file, one page, one set of fixtures: none can be missing or stale."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrations.lint import lint, pages, rules
from migrations.lint.rules import BY_ID, RULES
from migrations.lint.rules.rule import Rule

_RULE_FILES = {path.stem.split("_")[0].upper() for path in Path(rules.__file__).parent.glob("[mwc][0-9]*_*.py")}


def test_documentation_is_made_from_the_rules() -> None:
    """docs/migrations.md is what the rules say; make it anew with --pages."""
    assert Path("docs/migrations.md").read_text() == pages.document()


def test_every_rule_has_one_file() -> None:
    """The list of rules and the folder agree."""
    assert len(BY_ID) == len(RULES)
    assert {rule.id for rule in RULES} == _RULE_FILES


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_pages_tell_what_why_and_what_instead(rule: Rule) -> None:
    """Each page has its parts, in sentences."""
    assert all(len(text) > 20 for text in (rule.what, rule.why, rule.instead))
    assert all(text.endswith(".") for text in (rule.what, rule.why, rule.instead))


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.id.startswith("M")], ids=lambda rule: rule.id)
def test_examples_on_pages_are_true(rule: Rule) -> None:
    """The refused example is refused by its rule, the allowed one has no error."""
    assert rule.id in {finding.rule for finding in lint("audit", rule.bad)}
    assert [finding for finding in lint("audit", rule.good) if finding.severity == "error"] == []


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.id.startswith("W")], ids=lambda rule: rule.id)
def test_warning_examples_are_true(rule: Rule) -> None:
    """The first example has the warning, the second has not."""
    earlier = ["CREATE TABLE p_audit__with_a_key_to_tenant (t uuid PRIMARY KEY REFERENCES tenant ON DELETE CASCADE);"]
    assert rule.id in {finding.rule for finding in lint("audit", rule.bad, earlier)}
    if rule.id != "W4":
        assert rule.id not in {finding.rule for finding in lint("audit", rule.good, earlier)}
