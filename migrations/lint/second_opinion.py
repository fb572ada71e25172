"""sqlglot's view of a file, as a second opinion: where the two readers disagree, the statement is refused.

Its tree is only ever read; SQL made from it is another SQL. The trees differ from release to release (a dropped
table moved between two minor ones), so exactly one release is accepted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sqlglot import exp
from sqlglot._version import __version__ as installed_version
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import SqlglotError
from sqlglot.parsers.postgres import PostgresParser
from sqlglot.tokenizer_core import Token as TreeToken
from sqlglot.tokenizer_core import TokenType

from migrations.lint.facts import Calls, Drops, Fact, Reading, Writes
from migrations.lint.keywords import NOT_A_CALL
from migrations.lint.lexer import PUNCT, Token
from migrations.lint.names import Name
from migrations.lint.statement import Statement, is_rows

SQLGLOT_VERSION = "30.30.0"
"""The one release whose trees the comparison below was written for."""

MAX_COST = 40_000
"""How long sqlglot may take over a file.

The unit is a token. Inside ``ARRAY[…]``, ``date(…)`` and the like each token counts twice for every level, for
there sqlglot tries two ways to read what follows: twenty nested ``ARRAY[`` alone keep it busy for 45 seconds.
"""

_TOO_LONG = "it nests too deeply to be read twice in time; write it flatter"
_OPENERS = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET})
_CLOSERS = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET})
_DATA = (exp.Insert, exp.Update, exp.Delete, exp.Merge)
_VERBS: dict[str, tuple[type[exp.Expr], ...]] = {
    "CREATE": (exp.Create,),
    "ALTER": (exp.Alter,),
    "DROP": (exp.Drop,),
    "COMMENT": (exp.Comment,),
    "TRUNCATE": (exp.TruncateTable,),
    "INSERT": (exp.Insert,),
    "UPDATE": (exp.Update,),
    "DELETE": (exp.Delete,),
    "MERGE": (exp.Merge,),
    "WITH": _DATA,
    "SELECT": (exp.Select,),
    "ANALYZE": (exp.Analyze,),
    "SET": (exp.Set,),
}


class _Parser(PostgresParser):
    """The parser without its log line for what it does not support."""

    def _warn_unsupported(self) -> None:
        pass


@dataclass(slots=True)
class Disagreement:
    """Where, and about what."""

    at: int
    message: str


def assert_version() -> None:
    """Refuse to work with another release of sqlglot.

    Raises:
        RuntimeError: another release is installed.
    """
    if installed_version != SQLGLOT_VERSION:
        raise RuntimeError(f"the migration check needs sqlglot {SQLGLOT_VERSION}, found {installed_version}")


class SecondOpinion:
    """sqlglot's tokens of one file, handed out statement by statement."""

    def __init__(self, sql: str, tokens: Sequence[Token], statements: Sequence[Statement]) -> None:
        assert_version()
        self.disagreements: list[Disagreement] = []
        self.sql = _without_rows(sql, statements)
        self._tokens: list[TreeToken] = []
        try:
            self._tokens = list(Postgres().tokenize(self.sql))
        except SqlglotError:
            self.disagreements.append(Disagreement(0, "sqlglot cannot tell its words and literals apart"))
            return
        if _cost(self._tokens) > MAX_COST:
            self.disagreements.append(Disagreement(0, _TOO_LONG))
            self._tokens = []
            return
        self._compare_ends(tokens)

    def _compare_ends(self, tokens: Sequence[Token]) -> None:
        ours = {token.start for token in tokens if token.kind == PUNCT and token.text == ";"}
        theirs = {token.start for token in self._tokens if token.token_type == TokenType.SEMICOLON}
        odd = sorted(ours ^ theirs)
        if odd:
            self.disagreements.append(Disagreement(odd[0], "they end a statement at different places"))

    def about(self, statement: Statement, reading: Reading) -> str | None:
        """Return the difference between sqlglot's reading of a statement and ours, or None."""
        tokens = [token for token in self._tokens_of(statement) if token.token_type != TokenType.SEMICOLON]
        if not tokens or _is_atomic(statement) or is_rows(statement):
            return None
        try:
            trees = _parser().parse(tokens, self.sql)
        except RecursionError:
            return "it nests too deeply for sqlglot"
        except Exception:  # noqa: BLE001 - a form that sqlglot does not parse has no second opinion
            return None
        try:
            (tree,) = trees  # the tokens hold no semicolon, at which alone sqlglot begins another tree
            return _compare(tree, reading)
        except (AttributeError, KeyError, TypeError, ValueError):
            return "sqlglot's tree has a shape that this check does not know"

    def _tokens_of(self, statement: Statement) -> Iterator[TreeToken]:
        low, high = 0, len(self._tokens)
        while low < high:
            middle = (low + high) // 2
            if self._tokens[middle].start < statement.start:
                low = middle + 1
            else:
                high = middle
        for token in self._tokens[low:]:
            if token.start >= statement.end:
                return
            yield token


def _cost(tokens: Sequence[TreeToken]) -> int:
    """Estimate how long the tree takes, in tokens."""
    cost, levels, doubled = 0, [], 0
    before = TokenType.SEMICOLON
    for token in tokens:
        kind = token.token_type
        if kind in _OPENERS:
            levels.append(before in PostgresParser.TYPE_TOKENS)
            doubled += levels[-1]
        elif kind in _CLOSERS and levels:
            doubled -= levels.pop()
        cost += 1 << min(doubled, 20)
        before = kind
    return cost


@lru_cache(maxsize=1)
def _parser() -> _Parser:
    return _Parser(dialect=Postgres())


def _is_atomic(statement: Statement) -> bool:
    """Whether the statement holds semicolons, at which sqlglot would cut it."""
    return any(token.kind == PUNCT and token.text == ";" for token in statement.tokens)


def _without_rows(sql: str, statements: Sequence[Statement]) -> str:
    """Blank long lists of plain rows, keeping all offsets."""
    for rows in statements:
        if is_rows(rows):
            sql = sql[: rows.start] + " " * (rows.end - rows.start) + sql[rows.end :]
    return sql


def _compare(tree: exp.Expr | None, reading: Reading) -> str | None:
    if tree is None or isinstance(tree, exp.Command):
        return None
    expected = _VERBS.get(reading.form.split()[0])
    if expected is None or not isinstance(tree, expected):
        return f"sqlglot sees {tree.key.upper()}"
    return _compare_names(tree, reading)


def _compare_names(tree: exp.Expr, reading: Reading) -> str | None:
    facts = [*reading.facts, *reading.body]
    known = {name.last for fact in facts for name in _names(fact)}
    known |= reading.labels | {cte.alias for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        if isinstance(table.this, exp.Identifier) and _folded(table.this) not in known:
            return f'sqlglot sees an object "{table.name}"'
    called = {fact.name.last for fact in facts if isinstance(fact, Calls)} | known | NOT_A_CALL
    for call in tree.find_all(exp.Anonymous):
        if call.name.lower() not in called and call.name not in called:
            return f"sqlglot sees a call of {call.name}()"
    return _compare_targets(tree, facts)


def _compare_targets(tree: exp.Expr, facts: Sequence[Fact]) -> str | None:
    written = {fact.name.last for fact in facts if isinstance(fact, Writes)}
    for change in tree.find_all(*_DATA):
        target = change.this.this if isinstance(change.this, exp.Schema) else change.this
        named = isinstance(target, exp.Table) and target.name and not isinstance(change.parent, exp.When)
        if named and _folded(target.this) not in written:
            return f'sqlglot sees {change.key.upper()} into "{target.name}"'
    if isinstance(tree, exp.Drop):
        dropped = {_folded(table.this) for table in tree.args.get("tables") or () if isinstance(table, exp.Table)}
        ours = {fact.name.last for fact in facts if isinstance(fact, Drops)}
        if tree.args.get("kind") not in ("TRIGGER", "POLICY") and not dropped <= ours:
            return f"sqlglot sees DROP of {', '.join(sorted(dropped - ours))}"
    return None


def _names(fact: Fact) -> Iterator[Name]:
    return (value for value in fact if isinstance(value, Name))


def _folded(identifier: exp.Expr | None) -> str:
    if identifier is None:
        return ""
    return identifier.name if identifier.args.get("quoted") else identifier.name.lower()
