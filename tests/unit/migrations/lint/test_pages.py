"""Every rule has its page in docs/migrations.md, and the examples on it are true."""

from __future__ import annotations

import pytest

from migrations.lint import lint, lint_core
from migrations.lint.readers import ALLOWED
from migrations.lint.rules import BY_ID, RULES
from tests.support.lint_cases import PAGES, Page, pages, setup_sql


def _of(*letters: str) -> list[Page]:
    return [page for page in pages() if page.rule[0] in letters]


def _found(page: Page, sql: str) -> set[str]:
    findings = lint_core(sql) if page.rule.startswith("C") else lint("audit", sql, [setup_sql()])
    return {finding.rule for finding in findings if finding.severity == "error"}


def test_every_rule_has_one_page() -> None:
    """The pages are those of the rules, in the same order; ids are unique."""
    assert [page.rule for page in pages()] == [rule.id for rule in RULES]
    assert len(BY_ID) == len(RULES)


def test_the_document_lists_the_allowed_statements() -> None:
    """The list in the document is the list of the readers."""
    assert ALLOWED in PAGES.read_text("utf-8")


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.rule)
def test_a_page_has_its_parts(page: Page) -> None:
    """A page says what is refused and why; its hint is the one that findings give."""
    text = " ".join(page.text.split())
    first = "**Warned about.** " if page.rule.startswith("W") else "**Refused.** "
    assert all(part in text for part in (first, "**Harm.** "))
    assert text.endswith(f"**Instead.** {BY_ID[page.rule].instead}")


@pytest.mark.parametrize("page", _of("M", "C"), ids=lambda page: page.rule)
def test_examples_are_refused_by_just_their_rule(page: Page) -> None:
    """The refused example has that error and no other; the allowed one has none."""
    assert _found(page, page.refused) == {page.rule}
    assert _found(page, page.allowed) == set()


@pytest.mark.parametrize("page", _of("W"), ids=lambda page: page.rule)
def test_examples_have_just_their_warning(page: Page) -> None:
    """The first example has that warning, and the better one has no finding at all."""
    assert page.rule in {finding.rule for finding in lint("audit", page.refused, [setup_sql()])}
    assert lint("audit", page.allowed, [setup_sql()]) == []
