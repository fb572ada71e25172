"""A place in a statement's tokens: what every reader moves forward."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import lru_cache

from migrations.lint.facts import Fact, Refused
from migrations.lint.keywords import NOT_A_NAME
from migrations.lint.lexer import DOLLAR, END, OP, PUNCT, QUOTED, STRING, WORD, Token
from migrations.lint.names import Name

_SIGNS = frozenset({PUNCT, OP})


@lru_cache(maxsize=512)
def _words(phrase: str) -> tuple[str, ...]:
    return tuple(phrase.split())


class UnreadableError(Exception):
    """The statement is not of the form that the reader knows; it is refused."""

    def __init__(self, at: int, message: str) -> None:
        super().__init__(message)
        self.at = at


class Cursor:
    """The tokens of one statement, and the facts that were found so far."""

    def __init__(self, tokens: Sequence[Token], facts: list[Fact], *, in_body: bool = False) -> None:
        end = tokens[-1].end if tokens else 0
        self._tokens = (*tokens, Token(END, "", end, end), Token(END, "", end, end))
        self._last = len(tokens)
        self.index = 0
        self.facts = facts
        self.body: list[Fact] = []
        self.in_body = in_body
        self.common_tables: list[str] = []
        self.labels: set[str] = set()

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
        """Take one token, whatever it is."""
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
        """Take these unquoted words if they come next."""
        if not self.at_words(phrase):
            return False
        self.index += len(_words(phrase))
        return True

    def take_any(self, *words: str) -> str:
        """Take one of these words, and return it, or an empty text."""
        return self.next().text if self.at_word(*words) else ""

    def take_sign(self, sign: str) -> bool:
        """Take this sign if it comes next."""
        if not self.at_sign(sign):
            return False
        self.index += 1
        return True

    def expect(self, phrase: str) -> None:
        """Take these words or give up."""
        if not self.take(phrase):
            raise self.unreadable(f"expected {phrase.upper()}")

    def expect_sign(self, sign: str) -> None:
        """Take this sign or give up."""
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
        """Take one name that is local to its table: a column, an alias, a constraint."""
        if self.token.kind not in (WORD, QUOTED):
            raise self.unreadable("expected a name")
        name = self.next().text
        self.labels.add(name)
        return name

    def name(self) -> Name:
        """Take a possibly qualified name."""
        at = self.at
        if self.token.kind not in (WORD, QUOTED):
            raise self.unreadable("expected a name")
        parts = [self.next().text]
        while self.at_sign(".") and self.peek().kind in (WORD, QUOTED):
            self.index += 1
            parts.append(self.next().text)
        return Name(tuple(parts), at)

    def names(self, one: Callable[[], Name] | None = None) -> list[Name]:
        """Take a list of names that are separated by commas."""
        one = one or self.name
        result = [one()]
        while self.take_sign(","):
            result.append(one())
        return result

    def words_in_parens(self) -> tuple[str, ...]:
        """Take ``(a, b, c)``."""
        self.expect_sign("(")
        result = [self.word()]
        while self.take_sign(","):
            result.append(self.word())
        self.expect_sign(")")
        return tuple(result)

    def if_exists(self) -> bool:
        """Take ``IF EXISTS``."""
        return self.take("if exists")

    def plain_text(self) -> str | None:
        """Take a literal, and return its value when it is a plain or a dollar-quoted one."""
        token = self.next()
        return token.text if token.kind in (STRING, DOLLAR) else None

    def slice_until(self, stop: int) -> list[Token]:
        """Return the tokens from here to the given index, and move there."""
        tokens = list(self._tokens[self.index : stop])
        self.index = stop
        return tokens

    def add(self, fact: Fact) -> None:
        """Note a fact."""
        self.facts.append(fact)

    def refuse(self, rule: str, message: str, at: int | None = None) -> None:
        """Note that a rule forbids what stands here."""
        self.facts.append(Refused(self.at if at is None else at, rule, message))
