"""Every fixture gets exactly the verdict that it states."""

from __future__ import annotations

from collections import Counter

import pytest

from migrations.lint import lint, lint_core
from migrations.lint.rules import RULES
from tests.support.lint_cases import OUTCOMES, PLUGIN, Case, cases, malformed, setup_sql


def _name(case: Case) -> str:
    return case.name


def _errors(case: Case) -> set[str]:
    return {finding.rule for finding in lint(PLUGIN, case.sql, [setup_sql()]) if finding.severity == "error"}


@pytest.mark.parametrize("case", cases("good"), ids=_name)
def test_good_cases_pass(case: Case) -> None:
    """Statements that a plugin may write have no error."""
    errors = [one for one in lint(PLUGIN, case.sql, [setup_sql()]) if one.severity == "error"]
    assert errors == []


@pytest.mark.parametrize("case", cases("bad"), ids=_name)
def test_bad_cases_are_refused(case: Case) -> None:
    """Statements that a plugin may not write have just the errors that the case states."""
    assert _errors(case) == set(case.expect)


@pytest.mark.parametrize("case", cases("warned"), ids=_name)
def test_warned_cases_pass_with_a_warning(case: Case) -> None:
    """Costly statements have just the warnings that the case states."""
    assert {finding.rule for finding in lint(PLUGIN, case.sql, [setup_sql()])} == set(case.expect)


@pytest.mark.parametrize("case", cases("core"), ids=_name)
def test_core_cases_follow_the_looser_rules(case: Case) -> None:
    """Core migrations have just the findings that the case states, often none."""
    assert {finding.rule for finding in lint_core(case.sql)} == set(case.expect)


def test_setup_passes() -> None:
    """The migration before every case is itself in order."""
    assert [finding for finding in lint(PLUGIN, setup_sql()) if finding.severity == "error"] == []


def test_there_are_enough_cases() -> None:
    """The fixtures hold at least 250 that pass and 700 that do not, the malformed expressions among them."""
    assert len(cases("good")) >= 250
    assert len(cases("bad")) >= 700
    assert len(cases("bad")) + len(malformed()) >= 700


@pytest.mark.parametrize("rule", [rule.id for rule in RULES])
def test_every_rule_has_fixtures(rule: str) -> None:
    """Every rule is expected by at least three cases."""
    expected = Counter(name for kind in ("bad", "warned", "core") for case in cases(kind) for name in case.expect)
    assert expected[rule] >= 3


def test_bad_cases_state_their_outcome() -> None:
    """Every refused case says what the proof on PostgreSQL must show."""
    assert [case.name for case in cases("bad") if case.outcome not in OUTCOMES or not case.expect] == []


def test_titles_are_unique() -> None:
    """A failing case can be found by its name."""
    names = Counter(case.name for kind in ("good", "bad", "warned", "core") for case in cases(kind))
    assert [name for name, count in names.items() if count > 1] == []
