r"""PostgreSQL's own lexical rules, so that literals and statements end where the server ends them.

sqlglot's tokenizer reads a file too (``second_opinion``) and must agree with this one. It cannot be the
only reader: it continues an ``E''`` literal on the next line as a plain one, so ``E'a'⏎'\''`` hides
what follows from it, and it swallows the rest of a statement that starts with ``DO`` or ``CALL``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

MAX_TOKENS = 300_000
"""A file with more words and signs than this is refused, so that a check always ends in time."""

MAX_PROBLEMS = 50
"""After so many places that are no SQL at all, a file is something else; the rest is not read."""

WORD, QUOTED, STRING, DOLLAR, ESCAPED, NUMBER, PARAM, OP, PUNCT, END = (
    "word", "quoted", "string", "dollar", "escaped", "number", "param", "op", "punct", "end",
)  # fmt: skip


class Token(NamedTuple):
    """One word, literal or sign.

    ``text`` is the folded word, the bare quoted name, the value of a plain or dollar-quoted literal, or the
    sign itself; ``start`` and ``end`` are offsets into the file.
    """

    kind: str
    text: str
    start: int
    end: int


@dataclass(slots=True)
class Problem:
    """A place in a file that no statement may contain."""

    rule: str
    at: int
    message: str


@dataclass(slots=True)
class Lexed:
    """A file's tokens, its line comments, and what was wrong with its characters."""

    tokens: list[Token] = field(default_factory=list)
    comments: list[tuple[int, int]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


# Classes of characters are written by what they leave out: ranges up to U+10FFFF take milliseconds to compile.
_CONTINUE = r"(?:[ \t\f]|--[^\n\r]*+)*+[\n\r](?:[ \t\n\r\f]|--[^\n\r]*+[\n\r])*+(?=')"
_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\n\r\f]++)
    | (?P<comment>--[^\n\r]*+)
    | (?P<block>/\*)
    | (?P<string>'(?:[^']|'')*+')
    | (?P<escape>[eE]'(?:[^'\\]|\\.|'')*+')
    | (?P<other>(?:[bBxXnN]|[uU]&)'(?:[^']|'')*+')
    | (?P<uname>[uU]&"(?:[^"]|"")*+")
    | (?P<quoted>"(?:[^"]|"")*+")
    | (?P<dollar>\$(?:[^\x00-@\[-^`{-\x7f][^\x00-/:-@\[-^`{-\x7f]*+)?\$)
    | (?P<open>(?:[eEbBxXnN]|[uU]&)?'|(?:[uU]&)?")
    | (?P<word>[^\x00-@\[-^`{-\x7f][^\x00-\#%-/:-@\[-^`{-\x7f]*+)
    | (?P<param>\$[0-9]++)
    | (?P<number>0[xXoObB][0-9a-fA-F_]++|(?:[0-9][0-9_]*+(?:\.(?!\.)[0-9_]*+)?|\.[0-9][0-9_]*+)(?:[eE][+-]?[0-9]++)?)
    | (?P<punct>::|:=|\.\.|[(),.;:\[\]])
    | (?P<op>(?:(?!--|/\*)[~!@#^&|`?+\-*/%<>=])++)
    | (?P<bad>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_JUNK = re.compile(r"[^\x00-@\[-^`{-\x7f]+")
_NEXT_STRING = re.compile(_CONTINUE)
_PLAIN_PART = re.compile(r"'(?:[^']|'')*+'")
_ESCAPE_PART = re.compile(r"'(?:[^'\\]|\\.|'')*+'", re.DOTALL)
_BLOCK_EDGE = re.compile(r"/\*|\*/")
_UPPER = re.compile(r"[A-Z]")
_TRAILING_SIGNS = frozenset("~!@#^&|`?%")


class _Lexer:
    """One pass over one file."""

    def __init__(self, sql: str, limit: int) -> None:
        self.sql = sql
        self.limit = limit
        self.out = Lexed()

    def run(self) -> Lexed:
        position, size, sql, tokens = 0, len(self.sql), self.sql, self.out.tokens
        match, append = _TOKEN.match, tokens.append
        while position < size:
            found = match(sql, position)
            assert found is not None, "the last alternative takes any character"
            kind, end = found.lastgroup, found.end()
            if kind == "word":
                append(Token(WORD, fold(sql[position:end]), position, end))
            elif kind == "punct":
                append(Token(PUNCT, sql[position:end], position, end))
            elif kind != "space":
                end = getattr(self, f"_{kind}")(position, end)
            position = end
            if len(self.out.problems) > MAX_PROBLEMS:
                break
            if len(tokens) > self.limit:
                self._problem("M070", position, f"more than {self.limit} words and signs; split it")
                break
        return self.out

    def _add(self, kind: str, text: str, start: int, end: int) -> int:
        self.out.tokens.append(Token(kind, text, start, end))
        return end

    def _problem(self, rule: str, at: int, message: str) -> None:
        self.out.problems.append(Problem(rule, at, message))

    def _comment(self, start: int, end: int) -> int:
        self.out.comments.append((start, end))
        return end

    def _block(self, start: int, end: int) -> int:
        depth = 1
        for edge in _BLOCK_EDGE.finditer(self.sql, end):
            depth += 1 if edge[0] == "/*" else -1
            if not depth:
                return edge.end()
        self._problem("M070", start, "a comment is not closed: */ is missing")
        return len(self.sql)

    def _string(self, start: int, end: int) -> int:
        last = self._parts(end, _PLAIN_PART)
        text = self.sql[start + 1 : end - 1].replace("''", "'")
        return self._add(STRING if last == end else ESCAPED, text, start, last)

    def _escape(self, start: int, end: int) -> int:
        return self._add(ESCAPED, self.sql[start:end], start, self._parts(end, _ESCAPE_PART))

    def _other(self, start: int, end: int) -> int:
        return self._add(ESCAPED, self.sql[start:end], start, self._parts(end, _PLAIN_PART))

    def _parts(self, end: int, part: re.Pattern[str]) -> int:
        """Follow a literal over line breaks: the parts keep the first one's rules for backslashes."""
        while between := _NEXT_STRING.match(self.sql, end):
            found = part.match(self.sql, between.end())
            if found is None:
                self._problem("M070", between.end(), "a literal is not closed: ' is missing")
                return len(self.sql)
            end = found.end()
        return end

    def _uname(self, start: int, end: int) -> int:
        self._problem("M003", start, f"{self.sql[start:end][:40]}: escaped identifiers hide the name that they mean")
        return self._add(QUOTED, self.sql[start:end], start, end)

    def _quoted(self, start: int, end: int) -> int:
        if end - start == len('""'):
            self._problem("M070", start, "a quoted name without a letter")
        return self._add(QUOTED, self.sql[start + 1 : end - 1].replace('""', '"'), start, end)

    def _dollar(self, start: int, end: int) -> int:
        tag = self.sql[start:end]
        close = self.sql.find(tag, end)
        if close < 0:
            self._problem("M070", start, f"a literal is not closed: {tag[:40]} is missing")
            return len(self.sql)
        return self._add(DOLLAR, self.sql[end:close], start, close + len(tag))

    def _param(self, start: int, end: int) -> int:
        return self._add(PARAM, self.sql[start:end], start, end)

    def _number(self, start: int, end: int) -> int:
        junk = _JUNK.match(self.sql, end)
        text = self.sql[start:end]
        if junk is not None or text[-1] in "_eE" or "__" in text:
            self._problem("M070", start, f"{text[:20]}{junk[0][:10] if junk else ''} is no number")
        elif "_" in text or text[1:2] in tuple("xXoObB"):
            self._problem("M072", start, f"the number {text[:20]} needs PostgreSQL 16; 15 and newer are supported")
        return self._add(NUMBER, self.sql[start:end], start, end)

    def _op(self, start: int, end: int) -> int:
        """Read an operator; as in PostgreSQL, a long one ends in + or - only beside unusual signs."""
        text = self.sql[start:end]
        while len(text) > 1 and text[-1] in "+-" and _TRAILING_SIGNS.isdisjoint(text):
            text = text[:-1]
        return self._add(OP, text, start, start + len(text))

    def _open(self, start: int, end: int) -> int:
        quote = self.sql[end - 1]
        what = "literal" if quote == "'" else "quoted name"
        self._problem("M070", start, f"a {what} is not closed: {quote} is missing")
        return len(self.sql)

    def _bad(self, start: int, end: int) -> int:
        self._problem("M070", start, _describe(self.sql[start]))
        return end


def _describe(char: str) -> str:
    if char == "\\":
        return "a backslash outside a literal: psql commands do not work here"
    if char in "{}":
        return f"{char} outside a literal: a template's leftover"
    if char == "$":
        return "$ outside a literal: a shell or template variable's leftover"
    return f"character U+{ord(char):04X} outside a literal"


def fold(word: str) -> str:
    """Fold an unquoted name as PostgreSQL does: ASCII letters only."""
    return word.lower() if word.isascii() else _UPPER.sub(lambda found: found[0].lower(), word)


def lex(sql: str, limit: int = MAX_TOKENS) -> Lexed:
    """Read a text's characters; never raises."""
    return _Lexer(sql, limit).run()
