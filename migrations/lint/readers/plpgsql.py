"""Reads bodies in PL/pgSQL, statement by statement, into blocks and steps; an unknown statement is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from migrations.lint.cursor import Cursor, UnreadableError
from migrations.lint.facts import Calls, Fact, Refused
from migrations.lint.lexer import DOLLAR, ESCAPED, NUMBER, PUNCT, QUOTED, STRING, WORD, Token
from migrations.lint.readers import query
from migrations.lint.readers.call import arguments, collation
from migrations.lint.readers.expression import STATEMENT_WORDS, expression, expressions
from migrations.lint.readers.sql_body import body_tokens, opaque, refuse_statement
from migrations.lint.readers.steps import Block, Step, declared, equals, is_assignment, variable
from migrations.lint.readers.types import type_name

_LEVELS = ("debug", "log", "info", "notice", "warning", "exception")
_LITERALS = frozenset({STRING, DOLLAR, ESCAPED})
_DIRECTIONS = ("next", "prior", "first", "last", "absolute", "relative", "forward", "backward", "all")


def read(literal: Token, facts: list[Fact]) -> None:
    """Read a body that is given as a literal."""
    found: list[Fact] = []
    c = Cursor(body_tokens(literal, found), found, at=literal.start, parameters=True)
    try:
        parse(c)
    except UnreadableError as error:
        c.add(Refused(error.at, "M041", str(error)))
    facts.extend(opaque(found))


def parse(c: Cursor) -> Block:
    """Read a whole body.

    Raises:
        UnreadableError: at the first word that is not understood.
    """
    while c.take_sign("#"):
        c.word()
        c.word()
    block = _Body(c).block()
    c.take_sign(";")
    c.expect_end()
    return block


class _Body:
    """One body: the place in it, and the SQL cursors that it declares."""

    def __init__(self, c: Cursor) -> None:
        self.c = c
        self.portals: set[str] = set()
        self.readers: dict[str, Callable[[], object]] = {
            "case": self._case, "loop": self._loop, "while": self._while, "for": self._for,
            "foreach": self._foreach, "return": self._return, "raise": self._raise, "perform": self._value,
            "get": self._get, "open": self._open, "fetch": self._fetch, "move": self._fetch,
            "close": self.c.word, "exit": self._exit, "continue": self._exit, "assert": self._values,
            "call": self._call, "null": lambda: None,
        }  # fmt: skip

    def block(self) -> Block:
        """Read ``[<<label>>] [DECLARE …] BEGIN … [EXCEPTION …] END [label]``."""
        c = self.c
        declarations: list[Sequence[Token]] = []
        self._label()
        while c.take("declare"):
            start = len(c.facts)
            while not c.at_word("begin", "declare"):
                first = c.index
                self._declaration()
                declarations.append(c.between(first, c.index - 1))
            c.facts[start:] = [declared(fact) for fact in c.facts[start:]]
        c.expect("begin")
        steps, handlers = self._statements("end", "exception"), []
        if c.take("exception"):
            while c.take("when"):
                self._conditions()
                c.expect("then")
                handlers.append(self._statements("when", "end"))
        self._end("")
        return Block(declarations, steps, handlers)

    def _conditions(self) -> None:
        """Read ``condition OR SQLSTATE '…'``."""
        c = self.c
        while True:
            if c.take("sqlstate"):
                self._text()
            else:
                c.word()
            if not c.take("or"):
                return

    def _text(self) -> None:
        if self.c.token.kind not in _LITERALS:
            raise self.c.unreadable("expected a literal")
        self.c.next()

    def _until(self, *stops: str) -> Cursor:
        """Move to the semicolon, or to one of the words or signs outside of parentheses; return the part before."""
        c = self.c
        start, depth = c.index, 0
        while not c.done:
            token = c.token
            if token.kind == PUNCT:
                if token.text == ";" or (token.text in stops and not depth):
                    break
                depth += (token.text in "([") - (token.text in ")]")
            elif token.kind == WORD and not depth and token.text in stops:
                break
            c.next()
        return c.part(c.between(start, c.index))

    def _value(self, *stops: str) -> None:
        """Read an expression of PL/pgSQL, which may be anything that SELECT allows."""
        inner = self._until(*stops)
        if inner.done:
            raise self.c.unreadable("expected an expression")
        query.body(inner)
        query.rest(inner, 0)
        inner.expect_end()

    def _query(self, *stops: str) -> None:
        """Read a statement of SQL, without the INTO that names variables; refuse EXECUTE in its place."""
        if self.c.at_word("execute"):
            refuse_statement(self.c)
            return
        inner = self._until(*stops)
        inner = self._without_into(inner)
        query.query(inner)
        inner.expect_end()

    def _without_into(self, inner: Cursor) -> Cursor:
        """Return a statement without its ``INTO [STRICT] variables``."""
        tokens: list[Token] = []
        depth, found = 0, False
        while not inner.done:
            token = inner.token
            if token.kind == PUNCT:
                depth += (token.text in "([") - (token.text in ")]")
            into = token.kind == WORD and token.text == "into" and not depth
            if into and not found and not (tokens and tokens[-1].text in ("insert", "merge")):
                found = True
                inner.next()
                inner.take("strict")
                inner.listed(variable)
            else:
                tokens.append(inner.next())
        return self.c.part(tokens)

    def _label(self) -> None:
        c = self.c
        if c.take_sign("<<"):
            c.word()
            c.expect_sign(">>")

    def _end(self, what: str) -> None:
        """Read ``END [what] [label]``."""
        c = self.c
        c.expect("end")
        if what:
            c.expect(what)
        if not c.done and not c.at_sign(";"):
            c.word()

    def _statements(self, *stops: str) -> list[Step]:
        steps = []
        while not self.c.at_word(*stops):
            if self.c.done:
                raise self.c.unreadable(f"expected {stops[-1].upper()}")
            steps.append(self._statement())
            self.c.expect_sign(";")
        return steps

    def _statement(self) -> Step:
        c = self.c
        self._label()
        start = c.index
        step = Step(())
        if c.at_word("begin", "declare"):
            step.inner = self.block()
        elif is_assignment(c):
            variable(c)
            equals(c)
            self._value()
        elif c.take("if"):
            step.branches = self._if()
        elif c.token.kind == WORD and c.token.text in self.readers:
            self.readers[c.next().text]()
        elif c.at_word(*STATEMENT_WORDS) or c.at_sign("("):
            self._query()
        else:
            refuse_statement(c)
        step.words = c.between(start, c.index)
        return step

    def _values(self, *stops: str) -> None:
        """Read expressions that are separated by commas."""
        inner = self._until(*stops)
        expressions(inner)
        inner.expect_end()

    def _declaration(self) -> None:
        c = self.c
        name = c.word()
        if c.take("alias for"):
            c.next()
        elif c.at_word("no", "scroll", "cursor"):
            self._cursor(name)
        else:
            c.take("constant")
            type_name(c)
            if c.take("collate"):
                collation(c)
            c.take("not null")
            if c.take("default") or c.take_sign(":=") or c.take_sign("="):
                self._value()
        c.expect_sign(";")

    def _cursor(self, name: str) -> None:
        c = self.c
        self.portals.add(name)
        c.take("no")
        c.take("scroll")
        c.expect("cursor")
        if c.take_sign("("):
            while not c.take_sign(")"):
                c.word()
                type_name(c)
                if not c.at_sign(")"):
                    c.expect_sign(",")
        if not c.take("for"):
            c.expect("is")
        self._query()

    def _if(self) -> list[tuple[Sequence[Token], list[Step]]]:
        """Read the branches behind IF; ELSE has an empty condition."""
        c = self.c
        branches: list[tuple[Sequence[Token], list[Step]]] = []
        while not branches or c.take_any("elsif", "elseif"):
            start = c.index
            self._value("then")
            condition = c.between(start, c.index)
            c.expect("then")
            branches.append((condition, self._statements("elsif", "elseif", "else", "end")))
        if c.take("else"):
            branches.append(((), self._statements("end")))
        self._end("if")
        return branches

    def _case(self) -> None:
        c = self.c
        if not c.at_word("when"):
            self._value("when")
        while c.take("when"):
            self._values("then")
            c.expect("then")
            self._statements("when", "else", "end")
        if c.take("else"):
            self._statements("end")
        self._end("case")

    def _loop(self) -> None:
        self._statements("end")
        self._end("loop")

    def _while(self) -> None:
        self._value("loop")
        self.c.expect("loop")
        self._loop()

    def _foreach(self) -> None:
        c = self.c
        c.names()
        if c.take("slice"):
            c.next()
        c.expect("in array")
        self._while()

    def _for(self) -> None:
        c = self.c
        c.names()
        c.expect("in")
        if c.at_word("execute"):
            c.refuse("M041", "EXECUTE (dynamic SQL) cannot be checked")
            while not c.done and not c.at_word("loop"):
                c.next()
        elif c.token.text in self.portals:
            self._portal()
        elif c.at_word(*STATEMENT_WORDS) or c.at_sign("("):
            self._rows()
        else:
            self._numbers()
        c.expect("loop")
        self._loop()

    def _numbers(self) -> None:
        """Read ``[REVERSE] from .. to [BY step]``."""
        self.c.take("reverse")
        self._value("..", "loop")
        self.c.expect_sign("..")
        self._value("by", "loop")
        if self.c.take("by"):
            self._value("loop")

    def _rows(self) -> None:
        """Read a query to loop over, or a range of numbers that begins with a parenthesis."""
        c = self.c
        ahead = 0
        while not (c.peek(ahead).kind == "end" or c.peek(ahead).text in (";", "loop", "..")):
            ahead += 1
        if c.peek(ahead).text == "..":
            self._numbers()
        else:
            self._query("loop")

    def _portal(self) -> None:
        self.c.word()
        if self.c.at_sign("("):
            arguments(self.c)

    def _return(self) -> None:
        c = self.c
        if c.take("query"):
            self._query()
        elif c.take("next"):
            if not c.at_sign(";"):
                self._value()
        elif not c.at_sign(";"):
            self._value()

    def _raise(self) -> None:
        c = self.c
        c.take_any(*_LEVELS)
        if c.token.kind in _LITERALS:
            c.next()
            while c.take_sign(","):
                self._value(",", "using")
        elif c.take("sqlstate"):
            self._text()
        elif not c.at_word("using") and not c.at_sign(";"):
            c.word()
        if c.take("using"):
            c.listed(self._raise_option)

    def _raise_option(self, c: Cursor) -> None:
        c.word()
        equals(c)
        self._value(",")

    def _get(self) -> None:
        c = self.c
        c.take_any("current", "stacked")
        c.expect("diagnostics")
        c.listed(self._diagnostic)

    def _diagnostic(self, c: Cursor) -> None:
        variable(c)
        equals(c)
        c.word()

    def _open(self) -> None:
        c = self.c
        c.word()
        if c.at_sign("("):
            arguments(c)
        c.take("no")
        c.take("scroll")
        if c.take("for"):
            self._query()

    def _fetch(self) -> None:
        c = self.c
        if c.take_any(*_DIRECTIONS):
            c.take("all")
            if not c.at_word("from", "in") and c.token.kind not in (WORD, QUOTED):
                expression(c)
        elif c.token.kind == NUMBER or c.at_sign("-"):
            expression(c)
        if not c.take("from"):
            c.take("in")
        c.word()
        if c.take("into"):
            c.listed(variable)

    def _exit(self) -> None:
        c = self.c
        if not c.at_word("when") and not c.at_sign(";"):
            c.word()
        if c.take("when"):
            self._value()

    def _call(self) -> None:
        c = self.c
        name = c.name()
        c.add(Calls(name.at, name))
        arguments(c)
