"""Reads bodies in PL/pgSQL, statement by statement: what is not understood is refused."""

from __future__ import annotations

from migrations.lint.cursor import Cursor, UnreadableError
from migrations.lint.facts import Calls, Fact, Refused, UsesType
from migrations.lint.lexer import PUNCT, WORD, Token
from migrations.lint.readers.expression import STATEMENT_WORDS, group, walk
from migrations.lint.readers.query import clauses, query
from migrations.lint.readers.sql_body import body_tokens, opaque, refuse_statement
from migrations.lint.readers.types import type_name

_LEVELS = ("debug", "log", "info", "notice", "warning", "exception", "sqlstate")
_THEN = frozenset({"then"})
_LOOP = frozenset({"loop"})


def read(literal: Token, facts: list[Fact]) -> None:
    """Read a body that is given as a literal."""
    found: list[Fact] = []
    c = Cursor(body_tokens(literal, found), found, in_body=True)
    try:
        while c.take_sign("#"):
            c.word()
            c.word()
        _Body(c).block()
        c.take_sign(";")
        c.expect_end()
    except UnreadableError as error:
        c.add(Refused(error.at, "M041", str(error)))
    facts.extend(opaque(found))


class _Body:
    """One body: the cursor, and the cursors (in SQL's sense) that it declares."""

    def __init__(self, c: Cursor) -> None:
        self.c = c
        self.portals: set[str] = set()
        self.readers = {
            "if": self._if, "case": self._case, "loop": self._loop, "while": self._while, "for": self._for,
            "foreach": self._foreach, "return": self._return, "raise": self._raise, "perform": self._perform,
            "get": self._get, "open": self._open, "fetch": self._expression, "move": self._expression,
            "close": self._expression, "exit": self._exit, "continue": self._exit, "assert": self._expression,
            "call": self._call, "null": self._expression,
        }  # fmt: skip

    def block(self) -> None:
        """Read ``[<<label>>] [DECLARE …] BEGIN … [EXCEPTION …] END [label]``."""
        c = self.c
        self._label()
        while c.take("declare"):
            start = len(c.facts)
            while not c.at_word("begin", "declare"):
                self._declaration()
            c.facts[start:] = [_declared(fact) for fact in c.facts[start:]]
        c.expect("begin")
        self._statements("end", "exception")
        if c.take("exception"):
            while c.take("when"):
                while not c.take("then"):
                    if c.done:
                        raise c.unreadable("expected THEN")
                    c.next()
                self._statements("when", "end")
        self._end("")

    def _label(self) -> None:
        c = self.c
        if c.take_sign("<<"):
            c.word()
            c.expect_sign(">>")

    def _end(self, what: str) -> None:
        """Take ``END [what] [label]``."""
        c = self.c
        c.expect("end")
        if what:
            c.expect(what)
        if not c.done and not c.at_sign(";"):
            c.word()

    def _statements(self, *stops: str) -> None:
        while not self.c.at_word(*stops):
            if self.c.done:
                raise self.c.unreadable(f"expected {stops[-1].upper()}")
            self._statement()
            self.c.expect_sign(";")

    def _statement(self) -> None:
        c = self.c
        self._label()
        if c.at_word("begin", "declare"):
            self.block()
        elif _is_assignment(c):
            self._assignment()
        elif c.token.kind == WORD and c.token.text in self.readers:
            self.readers[c.next().text]()
        elif c.at_word(*STATEMENT_WORDS):
            query(c)
        else:
            refuse_statement(c)

    def _assignment(self) -> None:
        c = self.c
        c.name()
        while not c.at_sign(":=", "="):
            if c.take_sign("."):
                c.word()
            elif c.at_sign("["):
                c.next()
                walk(c, commas=True)
                c.expect_sign("]")
            else:
                raise c.unreadable("expected :=")
        c.next()
        clauses(c)

    def _expression(self) -> None:
        clauses(self.c)

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
                c.name()
            c.take("not null")
            if c.take("default") or c.take_sign(":=") or c.take_sign("="):
                clauses(c)
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
        query(c)

    def _if(self) -> None:
        c = self.c
        clauses(c, _THEN)
        c.expect("then")
        self._statements("elsif", "elseif", "else", "end")
        while c.take_any("elsif", "elseif"):
            clauses(c, _THEN)
            c.expect("then")
            self._statements("elsif", "elseif", "else", "end")
        if c.take("else"):
            self._statements("end")
        self._end("if")

    def _case(self) -> None:
        c = self.c
        if not c.at_word("when"):
            clauses(c, frozenset({"when"}))
        while c.take("when"):
            clauses(c, _THEN)
            c.expect("then")
            self._statements("when", "else", "end")
        if c.take("else"):
            self._statements("end")
        self._end("case")

    def _loop(self) -> None:
        self._statements("end")
        self._end("loop")

    def _while(self) -> None:
        clauses(self.c, _LOOP)
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
        c.take("reverse")
        if c.at_word("execute"):
            c.refuse("M041", "EXECUTE (dynamic SQL) cannot be checked")
            while not c.done and not c.at_word("loop"):
                c.next()
        elif self._at_portal():
            self._portal()
        else:
            self._head()
        c.expect("loop")
        self._loop()

    def _head(self) -> None:
        """Read what a FOR loops over; LOOP ends it although SQL would take it for an alias."""
        c = self.c
        end = 0
        while not (c.peek(end).kind == WORD and c.peek(end).text == "loop"):
            if c.peek(end).text == "" and c.peek(end).kind == "end":
                raise c.unreadable("expected LOOP")
            end += 1
        head = Cursor(c.slice_until(c.index + end), c.facts, in_body=True)
        if head.at_word(*STATEMENT_WORDS):
            query(head)
        else:
            clauses(head)
        head.expect_end()

    def _at_portal(self) -> bool:
        return self.c.token.text in self.portals

    def _portal(self) -> None:
        self.c.word()
        if self.c.at_sign("("):
            group(self.c)

    def _return(self) -> None:
        c = self.c
        if c.take("query"):
            self._query_or_execute()
        else:
            c.take("next")
            clauses(c)

    def _query_or_execute(self) -> None:
        if self.c.at_word("execute"):
            refuse_statement(self.c)
        else:
            query(self.c)

    def _raise(self) -> None:
        self.c.take_any(*_LEVELS)
        clauses(self.c)

    def _perform(self) -> None:
        clauses(self.c)

    def _get(self) -> None:
        self.c.take_any("current", "stacked")
        self.c.expect("diagnostics")
        clauses(self.c)

    def _open(self) -> None:
        c = self.c
        c.word()
        if c.at_sign("("):
            group(c)
        c.take("no")
        c.take("scroll")
        if c.take("for"):
            self._query_or_execute()

    def _exit(self) -> None:
        c = self.c
        if not c.at_word("when") and not c.at_sign(";"):
            c.word()
        if c.take("when"):
            clauses(c)

    def _call(self) -> None:
        c = self.c
        name = c.name()
        c.add(Calls(name.at, name))
        group(c)


def _declared(fact: Fact) -> Fact:
    """Mark the type of a variable, but not one that is copied from a column."""
    return fact._replace(declared=True) if isinstance(fact, UsesType) and not fact.copied else fact


def _is_assignment(c: Cursor) -> bool:
    """Whether ``name :=``, ``name.field =`` or ``name[…] :=`` comes next."""
    if c.token.kind not in (WORD, "quoted") or c.token.text == "execute":
        return False
    ahead = 1
    while c.peek(ahead).text == "." and c.peek(ahead).kind == PUNCT:
        ahead += 2
    after = c.peek(ahead)
    return (after.kind == PUNCT and after.text in (":=", "[")) or (after.kind == "op" and after.text == "=")
