"""Runs a check from a file's text to its findings; this is the one place that knows the order of the steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from migrations.lint import readers, text
from migrations.lint.facts import Reading, Refused
from migrations.lint.finding import Finding
from migrations.lint.lexer import lex
from migrations.lint.names import Ownership
from migrations.lint.rules import BY_ID, RULES
from migrations.lint.rules.rule import Context, Hit, Rule
from migrations.lint.statement import Lines, Statement, down_marks, statements
from migrations.lint.world import World


class Checker:
    """Checks the migrations of one history in their order; remembers what they made."""

    def __init__(self, ownership: Ownership, ruleset: str = "plugin") -> None:
        self.world = World(ownership)
        self._ownership = ownership
        self._rules = tuple(rule for rule in RULES if rule.applies in (ruleset, "both"))
        self._ids = {rule.id for rule in self._rules}

    def learn(self, sql: str) -> None:
        """Take in an earlier migration without judging it."""
        if text.unusable(sql) is None:
            tokens = lex(sql)
            marks = down_marks(sql, tokens)
            end = marks[0][0] if marks else len(sql)
            for statement in statements(sql, [token for token in tokens.tokens if token.start < end]):
                self.world.update(readers.read(statement))
        self.world.new_tables.clear()

    def check(self, sql: str) -> list[Finding]:
        """Return the findings of the next migration, and remember what it makes."""
        unusable = text.unusable(sql)
        if unusable is not None:
            return [_finding(BY_ID["M070"], Lines(""), Hit(0, unusable.message))]
        findings = _File(sql, self.world, self._ownership, self._rules, self._ids).findings()
        self.learn(sql)
        return findings


class _File:
    """One file on its way through the check."""

    def __init__(self, sql: str, world: World, ownership: Ownership, rules: Sequence[Rule], ids: set[str]) -> None:
        self.sql = sql
        self.world = world.copy()
        self._ownership = ownership
        self._rules = rules
        self._ids = ids
        self._lines = Lines(sql)
        self._lexed = lex(sql)
        self._found: set[Finding] = set()

    def findings(self) -> list[Finding]:
        problems = text.problems(self.sql, self._lexed)
        for problem in problems:
            self._report(problem.rule, Hit(problem.at, problem.message))
        limit = min((problem.at for problem in problems if problem.rule == "M070"), default=len(self.sql) + 1)
        up, down = self._sections(limit)
        judged = self._judge(up)
        self._at_end()
        self.world = self.world.copy()
        judged += self._judge(down)
        if limit > len(self.sql):
            self._second_opinion(judged)
        return sorted(self._found)

    def _sections(self, limit: int) -> tuple[list[Statement], list[Statement]]:
        """Return the statements of the up and the down part that end before the first unreadable place."""
        marks = down_marks(self.sql, self._lexed)
        end = marks[0][0] if marks else len(self.sql)
        tokens = self._lexed.tokens
        parts = ([token for token in tokens if token.start < end], [token for token in tokens if token.start >= end])
        up, down = (statements(self.sql, part, self._lines) for part in parts)
        if limit <= len(self.sql):
            ends = [token.start for token in tokens if token.text == ";" and token.start < limit]
            limit = ends[-1] if ends else -1
        return [one for one in up if one.end <= limit], [one for one in down if one.end <= limit]

    def _judge(self, part: Iterable[Statement]) -> list[tuple[Statement, Reading]]:
        clean = []
        for statement in part:
            reading = readers.read(statement)
            context = Context(self.sql, statement, reading, self.world, self._ownership)
            if not self._apply(context):
                clean.append((statement, reading))
            self.world.update(reading)
        return clean

    def _apply(self, context: Context) -> bool:
        """Apply every rule to a statement; return whether one refuses it."""
        before = sum(finding.severity == "error" for finding in self._found)
        for refused in context.all(Refused):
            self._report(refused.rule, Hit(refused.at, refused.message))
        for rule in self._rules:
            for hit in rule.check(context):
                self._report(rule.id, hit)
        return sum(finding.severity == "error" for finding in self._found) > before

    def _at_end(self) -> None:
        for rule in self._rules:
            if rule.at_end is not None:
                for hit in rule.at_end(self.world):
                    self._report(rule.id, hit)

    def _second_opinion(self, judged: Sequence[tuple[Statement, Reading]]) -> None:
        """Ask sqlglot about what the rules let through; it is imported only now, for it is slow to load."""
        if not judged:
            return
        from migrations.lint.second_opinion import SecondOpinion

        everything = statements(self.sql, self._lexed.tokens, self._lines)
        opinion = SecondOpinion(self.sql, self._lexed.tokens, everything)
        for disagreement in opinion.disagreements:
            self._disagree(disagreement.at, disagreement.message)
        for statement, reading in judged:
            message = opinion.about(statement, reading)
            if message is not None:
                self._disagree(statement.start, message)

    def _disagree(self, at: int, message: str) -> None:
        self._report(
            "M071", Hit(at, f"internal: two readers disagree on this statement; refused. Please report: {message}")
        )

    def _report(self, rule_id: str, hit: Hit) -> None:
        if rule_id in self._ids:
            self._found.add(_finding(BY_ID[rule_id], self._lines, hit))


def _finding(rule: Rule, lines: Lines, hit: Hit) -> Finding:
    line, column = lines.place(hit.at)
    return Finding(line, column, rule.id, rule.severity, hit.message, rule.instead)
