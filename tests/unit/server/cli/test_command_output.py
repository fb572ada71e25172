"""Tables for people, lines of JSON for programs, and nothing that steers a terminal."""

from __future__ import annotations

import io
import json

import pytest

from core.json_text import JsonText
from core.payload import Json
from server.cli.remote.output import ID, Column, Output, number_column, plain, time_column, width_of

COLUMNS = (ID, Column("KIND", "kind"), number_column("N", "n"), time_column("AT", "at"))
ROW = {"id": "67ab864d-ff11-4dec-8c3f-f50720d7f104", "kind": "order", "n": 7, "at": None}


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Return that it is one."""
        return True


def _lines(*rows: dict[str, object]) -> list[str]:
    stream = Terminal()
    Output(as_json=False, stream=stream).rows(rows, COLUMNS, "nothing")
    return stream.getvalue().splitlines()


def test_a_terminal_gets_an_aligned_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers to the right, a dash where there is no value."""
    monkeypatch.setenv("COLUMNS", "80")
    assert _lines(ROW, {**ROW, "kind": "payment", "n": 1234}) == [
        "ID                                    KIND        N  AT",
        "67ab864d-ff11-4dec-8c3f-f50720d7f104  order       7  -",
        "67ab864d-ff11-4dec-8c3f-f50720d7f104  payment  1234  -",
    ]


def test_a_table_fits_on_the_terminal_and_keeps_ids_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long texts are cut, by the columns that they take."""
    monkeypatch.setenv("COLUMNS", "60")
    [_, line, wide] = _lines({**ROW, "kind": "k" * 200}, {**ROW, "kind": "注文" * 50})
    assert (width_of(line), width_of(wide)) == (60, 60) or max(width_of(line), width_of(wide)) <= 60
    assert line.startswith(f"{ROW['id']}  kkkkkkkk")
    assert "…" in line
    assert "…" in wide


def test_a_pipe_gets_lines_of_json_with_every_digit() -> None:
    """Numbers are as the server has sent them."""
    stream = io.StringIO()
    Output(as_json=False, stream=stream).rows(
        [{"n": JsonText(Json("1.10"))}, {"n": 3544790567247868102}], (), "nothing"
    )
    assert stream.getvalue() == '{"n": 1.10}\n{"n": 3544790567247868102}\n'
    assert [json.loads(line)["n"] for line in stream.getvalue().splitlines()] == [1.1, 3544790567247868102]


def test_names_cannot_steer_a_terminal() -> None:
    """Escapes, line ends and marks of direction are spelt out."""
    assert plain("a\x1b[2J\nb\u202ec") == "a\\u001b[2J\\u000ab\\u202ec"
    assert "\x1b" not in "".join(_lines({**ROW, "kind": "\x1b]0;title\x07"}))


def test_an_empty_list_is_a_sentence_for_a_person_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Programs get no line."""
    assert _lines() == []
    assert capsys.readouterr().err == "nothing\n"
    stream = io.StringIO()
    Output(as_json=True, stream=stream).rows([], COLUMNS, "nothing")
    assert stream.getvalue() == capsys.readouterr().err == ""
