"""A place in a statement's tokens: what every reader moves forward."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import NamedTuple

from migrations.lint.facts import Attribute, Fact, Refused, UsesRow
from migrations.lint.keywords import COLUMNS_ONLY, NOT_A_NAME, RESERVED
from migrations.lint.lexer import END, OP, PUNCT, QUOTED, WORD, Token
from migrations.lint.names import Name

_JOINED_WITH = {
    "not": ("between", "in", "like", "ilike", "similar"),
    "nulls": ("first", "last"),
    "with": ("time", "ordinality"),
    "without": ("time",),
}
"""Words that PostgreSQL reads as one with what follows, so that they are no names there."""

_SIGNS = frozenset({PUNCT, OP})


@lru_cache(maxsize=512)
def _words(phrase: str) -> tuple[str, ...]:
    return tuple(phrase.split())


class Reference(NamedTuple):
    """A column, or a row, as an expression names it: ``end`` is the index of the token behind it."""

    at: int
    parts: tuple[str, ...]
    end: int


class UnreadableError(Exception):
    """The statement is not of the form that the reader knows; it is refused."""

    def __init__(self, at: int, message: str) -> None:
        super().__init__(message)
        self.at = at


class Cursor:
    """The tokens of one statement, and the facts that were found so far; ``parameters`` allows ``$1``."""

    def __init__(self, tokens: Sequence[Token], facts: list[Fact], *, at: int = 0, parameters: bool = False) -> None:
        end = tokens[-1].end if tokens else at
        self._tokens = (*tokens, Token(END, "", end, end), Token(END, "", end, end))
        self._last = len(tokens)
        self.index = 0
        self.parameters = parameters
        self.facts = facts
        self.body: list[Fact] = []
        self.common_tables: list[str] = []
        self.labels: set[str] = set()
        self.bare_columns = False
        self.windowless = False
        self.references: list[Reference] = []
        self.aliases: list[tuple[str, Name]] = []

    @property
    def token(self) -> Token:
        """The token that comes next."""
        return self._tokens[self.index]

    @property
    def previous(self) -> Token:
        """The token that was taken last."""
        return self._tokens[self.index - 1]

    @property
    def at(self) -> int:
        """Offset of the next token."""
        return self._tokens[self.index].start

    @property
    def done(self) -> bool:
        """Whether every token was read."""
        return self.index >= self._last

    def peek(self, ahead: int = 1) -> Token:
        """Return a token further on."""
        return self._tokens[min(self.index + ahead, self._last)]

    def next(self) -> Token:
        """Return the next token, and move behind it."""
        token = self._tokens[self.index]
        if self.index < self._last:
            self.index += 1
        return token

    def at_word(self, *words: str) -> bool:
        """Whether the next token is one of these unquoted words."""
        token = self._tokens[self.index]
        return token.kind == WORD and token.text in words

    def at_words(self, phrase: str) -> bool:
        """Whether the next tokens are these unquoted words, one after the other."""
        for ahead, word in enumerate(_words(phrase)):
            token = self._tokens[min(self.index + ahead, self._last)]
            if token.kind != WORD or token.text != word:
                return False
        return True

    def at_sign(self, *signs: str) -> bool:
        """Whether the next token is one of these signs."""
        token = self._tokens[self.index]
        return token.kind in _SIGNS and token.text in signs

    def take(self, phrase: str) -> bool:
        """Move behind these unquoted words if they come next; return whether they did."""
        if not self.at_words(phrase):
            return False
        self.index += len(_words(phrase))
        return True

    def take_any(self, *words: str) -> str:
        """Move behind one of these words; return it, or an empty text."""
        return self.next().text if self.at_word(*words) else ""

    def take_sign(self, sign: str) -> bool:
        """Move behind this sign if it comes next; return whether it did."""
        if not self.at_sign(sign):
            return False
        self.index += 1
        return True

    def expect(self, phrase: str) -> None:
        """Move behind these words, or give up."""
        if not self.take(phrase):
            raise self.unreadable(f"expected {phrase.upper()}")

    def expect_sign(self, sign: str) -> None:
        """Move behind this sign, or give up."""
        if not self.take_sign(sign):
            raise self.unreadable(f'expected "{sign}"')

    def expect_end(self) -> None:
        """Give up unless everything was read."""
        if not self.done:
            raise self.unreadable("the statement goes on in a way that the check does not know")

    def unreadable(self, message: str) -> UnreadableError:
        """Make the error that says what was found instead."""
        found = "the end of the statement" if self.done else f'"{self.token.text[:40]}"'
        return UnreadableError(self.at, f"{message}, found {found}")

    def at_name(self, reserved: Collection[str] = NOT_A_NAME) -> bool:
        """Whether the next token can be a name."""
        token = self.token
        return token.kind == QUOTED or (token.kind == WORD and token.text not in reserved)

    def word(self) -> str:
        """Read one name that is local to its table: a column, an alias, a constraint."""
        if self.token.kind not in (WORD, QUOTED):
            raise self.unreadable("expected a name")
        name = self.next().text
        self.labels.add(name)
        return name

    def column(self) -> str:
        """Read one name that may stand for a column, a table or an alias."""
        if not self.at_name():
            raise self.unreadable("expected a name")
        return self.word()

    def column_name(self) -> Name:
        """Read one such name as a ``Name``."""
        return Name((self.column(),), self.previous.start)

    def label(self) -> str:
        """Read one name that may be any word: behind AS or a dot."""
        token, after = self.token, self.peek().text
        if token.kind == WORD and after in _JOINED_WITH.get(token.text, ()):
            raise self.unreadable("expected a name")
        return self.word()

    def routine(self) -> Name:
        """Read the possibly qualified name of a function or a type."""
        token = self.token
        if token.kind == WORD and token.text in COLUMNS_ONLY and self.peek().text != ".":
            raise self.unreadable("expected a name")
        return self.name(RESERVED)

    def name(self, reserved: Collection[str] = NOT_A_NAME) -> Name:
        """Read a possibly qualified name, which begins with none of the reserved words."""
        at = self.at
        if not self.at_name(reserved):
            raise self.unreadable("expected a name")
        parts = [self.next().text]
        while self.at_sign(".") and self.peek().kind in (WORD, QUOTED):
            self.index += 1
            parts.append(self.next().text)
        return Name(tuple(parts), at)

    def names(self, one: Callable[[], Name] | None = None) -> list[Name]:
        """Read a list of names that are separated by commas."""
        result: list[Name] = []
        self.listed(lambda c: result.append(one() if one is not None else c.name()))
        return result

    def listed(self, one: Callable[[Cursor], object]) -> None:
        """Read items that are separated by commas."""
        one(self)
        while self.take_sign(","):
            one(self)

    def enclosed(self, inner: Callable[[Cursor], object]) -> None:
        """Read ``( … )``."""
        self.expect_sign("(")
        inner(self)
        self.expect_sign(")")

    def words_in_parens(self) -> tuple[str, ...]:
        """Read ``(a, b, c)``."""
        result: list[str] = []
        self.enclosed(lambda c: c.listed(lambda c: result.append(c.column())))
        return tuple(result)

    def if_exists(self) -> bool:
        """Read ``IF EXISTS``; return whether it was there."""
        return self.take("if exists")

    def skip_all(self) -> None:
        """Move to the end."""
        self.index = self._last

    def between(self, start: int, end: int) -> Sequence[Token]:
        """Return the tokens between two indexes."""
        return self._tokens[start:end]

    def at_index(self, index: int) -> Token:
        """Return the token at an index."""
        return self._tokens[index]

    def forget_row(self, end: int) -> None:
        """Forget that a row was named right before ``end``: what follows makes something else of it."""
        last = self.references[-1] if self.references else None
        if last is not None and last.end == end and (len(last.parts) == 1 or last.parts[-1] == "*"):
            self.references.pop()

    def forget_rows(self, mark: int, start: int) -> None:
        """Forget the rows that were named since then: what holds them has a type of its own."""
        self.references[mark:] = [
            each for each in self.references[mark:] if len(each.parts) > 1 and each.parts[-1] != "*"
        ]
        self.facts[start:] = [fact for fact in self.facts[start:] if not isinstance(fact, UsesRow)]

    def forget_star(self, start: int, mark: int) -> None:
        """Forget ``t.*`` where it stands alone since ``start`` and so means columns."""
        alone = len(self.references) == mark + 1 and self.references[mark].parts[-1] == "*"
        if alone and self.index == start + 2 * len(self.references[mark].parts) - 1:
            self.references.pop()

    def resolve(self, mark: int, aliases: int) -> None:
        """Note what the references since ``mark`` mean, now that the query's FROM is known."""
        if len(self.aliases) == aliases:
            return
        known = dict(self.aliases[aliases:])
        del self.aliases[aliases:]
        left = []
        for reference in self.references[mark:]:
            parts = reference.parts[1:] if reference.parts[0] == "public" else reference.parts
            relation = known.get(parts[0]) if parts else None
            if relation is None:
                left.append(reference)
            elif parts[1:] in ((), ("*",)):
                self.facts.append(UsesRow(reference.at, relation))
            else:
                self.facts.append(Attribute(reference.at, relation, parts[1]))
        self.references[mark:] = left

    def part(self, tokens: Sequence[Token]) -> Cursor:
        """Return a place in some of the tokens alone, with the same facts and labels."""
        inner = Cursor(tokens, self.facts, at=self.at, parameters=self.parameters)
        inner.labels, inner.body = self.labels, self.body
        return inner

    def add(self, fact: Fact) -> None:
        """Note a fact."""
        self.facts.append(fact)

    def refuse(self, rule: str, message: str, at: int | None = None) -> None:
        """Note that a rule forbids what stands here."""
        self.facts.append(Refused(self.at if at is None else at, rule, message))
