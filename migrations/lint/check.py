"""Runs a check from a file's text to its findings, in the order of the steps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from migrations.lint import readers, text
from migrations.lint.facts import ForeignKey, Reading, Refused
from migrations.lint.lexer import lex
from migrations.lint.modes import Mode, mode_of
from migrations.lint.names import Ownership
from migrations.lint.rules import BY_ID, RULES
from migrations.lint.rules.rule import Context, Finding, Hit, Rule
from migrations.lint.rules.warnings import locks
from migrations.lint.statement import Lines, Statement, down_marks, statements
from migrations.lint.world import World

_ACCEPTED = re.compile(r"--[ \t]*accepted[ \t]+(W[0-9]+):[ \t]*\S")
"""The comment that acknowledges a warning for its file, with the reason."""


class Checker:
    """Checks the migrations of one history in their order; remembers what they made."""

    def __init__(self, ownership: Ownership, ruleset: str = "plugin") -> None:
        self.world = World(ownership)
        self._ownership = ownership
        self._rules = tuple(rule for rule in RULES if rule.applies in (ruleset, "both"))
        self.keys: list[tuple[ForeignKey, Finding]] = []

    def learn(self, sql: str) -> None:
        """Add the effects of an earlier migration without judging it."""
        if text.unusable(sql) is None:
            lexed = lex(sql)
            marks = down_marks(sql, lexed)
            end = marks[0][0] if marks else len(sql)
            for statement in statements(sql, [token for token in lexed.tokens if token.start < end]):
                self.world.update(readers.read(statement))
        self.world.begin_file()

    def check(self, sql: str, *, second_opinion: bool = True) -> list[Finding]:
        """Return the findings of the next migration, and add its effects."""
        unusable = text.unusable(sql)
        if unusable is not None:
            self.keys = []
            return [finding_of(BY_ID["M070"], Lines(""), Hit(0, unusable.message))]
        file = _File(sql, self.world, self._ownership, self._rules)
        findings = file.findings(second_opinion=second_opinion)
        self.world, self.keys = file.world, file.keys
        self.world.begin_file()
        return findings

    def locks(self, sql: str) -> list[tuple[int, str, str]]:
        """Return (line, core table, lock mode) of the locks that the up part of the next migration takes."""
        file = _File(sql, self.world, self._ownership, self._rules)
        return [] if text.unusable(sql) else file.locks()


def check_history(plugin: str, texts: Sequence[str], ruleset: str = "plugin") -> list[list[Finding]]:
    """Return the findings of each of a plugin's migrations; an index of a later file answers W2 of an earlier one."""
    checker = Checker(Ownership(plugin), ruleset)
    checked = [(checker.check(sql), checker.keys) for sql in texts]
    return [_answered(findings, keys, checker.world) for findings, keys in checked]


def _answered(findings: list[Finding], keys: Sequence[tuple[ForeignKey, Finding]], world: World) -> list[Finding]:
    """Return a file's findings without those on keys that an index serves in the end."""
    if not keys:
        return findings
    left = [finding for key, finding in keys if not world.serves(key)]
    others = [finding for finding in findings if finding.rule != keys[0][1].rule]
    return sorted([*others, *once(left)])


def once(findings: Sequence[Finding]) -> list[Finding]:
    """Return the first of a rule's findings, with the lines of the others in its message."""
    if not findings:
        return []
    lines = sorted({finding.line for finding in findings} - {findings[0].line})
    if not lines:
        return [findings[0]]
    places = f"line {lines[0]}" if len(lines) == 1 else f"lines {', '.join(map(str, lines))}"
    return [replace(findings[0], message=f"{findings[0].message}; the same in {places}")]


class _File:
    """One file on its way through the check."""

    def __init__(self, sql: str, world: World, ownership: Ownership, rules: Sequence[Rule]) -> None:
        self.sql = sql
        self.world = world.copy()
        self._ownership = ownership
        self._rules = rules
        self._ids = {rule.id for rule in rules}
        self._lines = Lines(sql)
        self._lexed = lex(sql)
        self._found: set[Finding] = set()
        self._warnings: dict[str, list[Finding]] = {}
        self.keys: list[tuple[ForeignKey, Finding]] = []
        self._errors = 0
        self._accepted = {
            found[1] for start, end in self._lexed.comments if (found := _ACCEPTED.match(sql, start, end))
        }

    def findings(self, *, second_opinion: bool = True) -> list[Finding]:
        """Return all findings; afterwards ``world`` has the effects of the up part."""
        problems = text.problems(self.sql, self._lexed)
        for problem in problems:
            self._report(problem.rule, Hit(problem.at, problem.message))
        limit = min((problem.at for problem in problems if problem.rule == "M070"), default=len(self.sql) + 1)
        up, down = self._sections(limit)
        if text.too_long(up) or text.too_long(down):
            self._report("M070", Hit(0, text.TOO_LONG))
            return sorted(self._found)
        mode = mode_of(self.sql, self._lexed)
        judged = self._judge(up, mode)
        self._at_end()
        made, self.world = self.world, self.world.copy()
        judged += self._judge(down, "outside" if mode == "outside" else "transaction")
        self.world = made
        if second_opinion and limit > len(self.sql):
            self._second_opinion(judged)
        return sorted([*self._found, *(each for found in self._warnings.values() for each in once(found))])

    def locks(self) -> list[tuple[int, str, str]]:
        """Return (line, core table, lock mode) of the locks of the up part."""
        found = []
        for statement in self._sections(len(self.sql) + 1)[0]:
            reading = readers.read(statement)
            context = Context(self.sql, statement, reading, self.world, self._ownership)
            found += [(self._lines.place(at)[0], table, mode) for at, _, table, mode in locks(context)]
            self.world.update(reading)
        return found

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

    def _judge(self, part: Iterable[Statement], mode: Mode) -> list[tuple[Statement, Reading]]:
        clean = []
        for number, statement in enumerate(part):
            reading = readers.read(statement)
            context = Context(self.sql, statement, reading, self.world, self._ownership, mode)
            if number and mode != "transaction":
                self._report("M052", Hit(statement.start, "such a file holds one statement, which can be tried again"))
            if not self._apply(context):
                clean.append((statement, reading))
            self.world.update(reading)
        return clean

    def _apply(self, context: Context) -> bool:
        """Apply every rule to a statement; return whether one refuses it."""
        before = self._errors
        for refused in context.all(Refused):
            self._report(refused.rule, Hit(refused.at, refused.message))
        for rule in self._rules:
            for hit in rule.check(context) if rule.check is not None else ():
                self._report(rule.id, hit)
        return self._errors > before

    def _at_end(self) -> None:
        for rule in self._rules:
            if rule.at_end is not None:
                for hit in rule.at_end(self.world):
                    self._report(rule.id, hit)

    def _second_opinion(self, judged: Sequence[tuple[Statement, Reading]]) -> None:
        """Ask sqlglot about the statements without a finding; it is imported only now, because it loads slowly."""
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
        """Add a finding; a warning is told once in a file, and not at all where the file acknowledges it."""
        if rule_id in self._accepted or rule_id not in self._ids:
            return
        finding = finding_of(BY_ID[rule_id], self._lines, hit)
        self._errors += finding.severity == "error"
        if finding.severity == "error":
            self._found.add(finding)
        else:
            self._warnings.setdefault(rule_id, []).append(finding)
        if hit.key is not None:
            self.keys.append((hit.key, finding))


def finding_of(rule: Rule, lines: Lines, hit: Hit) -> Finding:
    """Return the finding of a rule at a place."""
    line, column = lines.place(hit.at)
    return Finding(line, column, rule.id, rule.severity, hit.message, rule.instead)
