"""Output: aligned tables on a terminal, lines of JSON in a pipe or with ``--json``."""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from core.json_text import JsonText, write

Row = Mapping[str, Any]

_GAP: Final = "  "
_MIN_WIDTH: Final = 8
"""A column is not made narrower than this."""

_STATUS_COLOURS = {"COMPLETED": 32, "FAILED": 31, "CANCELLED": 33, "CANCELLING": 33, "RUNNING": 36, "ONLINE": 32}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its title, and the value to show of each row; ``is_whole`` keeps it from being cut."""

    title: str
    value: str | Callable[[Row], Any]
    to_the_right: bool = False
    is_whole: bool = False

    def text(self, row: Row) -> str:
        """Return the text of a cell."""
        return plain(self.value(row) if callable(self.value) else row.get(self.value))


class Output:
    """Writes the findings of a command."""

    def __init__(self, *, as_json: bool, stream: TextIO | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        self.as_json = as_json or not self._stream.isatty()
        self._colours = self._stream.isatty() and not os.environ.get("NO_COLOR")

    def rows(self, rows: Iterable[Row], columns: Sequence[Column], nothing: str) -> None:
        """Write rows; ``nothing`` is the sentence for a person when there are none."""
        if self.as_json:
            for row in rows:
                self.json(row)
            return
        found = list(rows)
        if not found:
            sys.stderr.write(nothing + "\n")
            return
        cells = [[column.text(row) for column in columns] for row in found]
        for line in _table(columns, cells):
            self.line(line)

    def done(self, answer: Any, sentence: str) -> None:
        """Write the answer to a change: a sentence for a person, or the answer itself."""
        if self.as_json:
            self.json(answer)
        else:
            self.line(plain(sentence))

    def facts(self, facts: Iterable[tuple[str, Any]]) -> None:
        """Write facts about one thing to a person, one a line; facts without a value are left out."""
        known = [(name, plain(value)) for name, value in facts if value not in (None, "", {}, [])]
        width = max((len(name) for name, _ in known), default=0)
        for name, text in known:
            self.line(f"{name:<{width}}{_GAP}{text}")

    def line(self, text: str) -> None:
        """Write a line of text, with the words of a status in colour."""
        self._stream.write((self._coloured(text) if self._colours else text) + "\n")
        self._stream.flush()

    def copied(self, text: str) -> None:
        """Write a line of an answer as it is; on a terminal, without what could steer it."""
        self._stream.write((plain(text) if self._stream.isatty() else text) + "\n")

    def json(self, value: Any) -> None:
        """Write a value as one line of JSON."""
        self._stream.write(write(value).decode() + "\n")
        self._stream.flush()

    def _coloured(self, text: str) -> str:
        for word, colour in _STATUS_COLOURS.items():
            text = text.replace(f" {word} ", f" \x1b[{colour}m{word}\x1b[0m ")
        return text


def plain(value: Any) -> str:
    """Return a value as text of one line that cannot steer a terminal."""
    text: str
    if value is None:
        return "-"
    if isinstance(value, JsonText):
        text = value.text
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, (dict, list)):
        text = write(value).decode()
    else:
        text = str(value)
    return "".join(each if _is_shown(each) else f"\\u{ord(each):04x}" for each in text)


def moment(name: str) -> Callable[[Row], str | None]:
    """Return the value of a column: a time, in the time zone of this machine; of today, without the date."""

    def shown(row: Row) -> str | None:
        text = row.get(name)
        if text is None:
            return None
        at = parsed(text).astimezone()
        is_today = at.date() == datetime.now().astimezone().date()
        return at.strftime("%H:%M:%S" if is_today else "%Y-%m-%d %H:%M")

    return shown


def time_column(title: str, name: str) -> Column:
    """Return a column of times."""
    return Column(title, moment(name), is_whole=True)


def number_column(title: str, name: str) -> Column:
    """Return a column of numbers."""
    return Column(title, name, to_the_right=True, is_whole=True)


ID: Final = Column("ID", "id", is_whole=True)
STATUS: Final = Column("STATUS", "status", is_whole=True)


def parsed(text: str) -> datetime:
    """Return the time that a text of the API stands for."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _is_shown(letter: str) -> bool:
    """Return whether a letter is shown as it is: no control, and none that changes the direction of writing."""
    return letter == " " or unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def width_of(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text
    )


def fitted(text: str, width: int) -> str:
    """Return a text that takes at most ``width`` columns; an ellipsis stands for what is cut off."""
    if width_of(text) <= width:
        return text
    kept = ""
    for each in text:
        if width_of(kept + each) > width - 1:
            break
        kept += each
    return kept + "…"


def _table(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> Iterable[str]:
    """Yield the lines of a table that fits on the terminal: the widest columns that may be cut are cut."""
    titles = [column.title for column in columns]
    widths = [max(map(width_of, column)) for column in zip(titles, *cells, strict=True)]
    room = shutil.get_terminal_size().columns - len(_GAP) * (len(widths) - 1)
    may_be_cut = [place for place, column in enumerate(columns) if not column.is_whole]
    while sum(widths) > room and may_be_cut:
        widest = max(may_be_cut, key=widths.__getitem__)
        if widths[widest] <= _MIN_WIDTH:
            break
        widths[widest] -= 1
    for row in (titles, *cells):
        padded = []
        for text, width, column in zip(row, widths, columns, strict=True):
            shown = fitted(text, width)
            space = " " * (width - width_of(shown))
            padded.append(space + shown if column.to_the_right else shown + space)
        yield _GAP.join(padded).rstrip()
