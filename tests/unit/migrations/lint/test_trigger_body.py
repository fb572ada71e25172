"""Triggers inside a cascade: the bodies that can neither stop it nor skip a row, and the reasons against the others."""

from __future__ import annotations

import pytest

from migrations.lint.trigger_body import Event, Timing, why_it_stops


def _why(statements: str, event: Event, timing: Timing, declared: str = "", *, each_row: bool = True) -> str | None:
    return why_it_stops(
        f"{declared and f'DECLARE {declared};'} BEGIN {statements} END", event, timing, each_row=each_row
    )


@pytest.mark.parametrize(
    "statements",
    [
        "RETURN OLD;",
        "RETURN COALESCE(OLD, NEW);",
        "RETURN COALESCE(NEW, OLD);",
        "NULL; RETURN OLD;",
        "RAISE NOTICE 'gone: % %', OLD.id, TG_OP; RETURN OLD;",
        "IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; PERFORM 1 / 0;",
        "IF 'DELETE' = TG_OP THEN RETURN OLD; END IF;",
        "IF (TG_OP IN ('INSERT', 'DELETE')) THEN RETURN OLD; END IF;",
        "IF TG_OP <> 'DELETE' THEN RETURN NULL; ELSE RETURN OLD; END IF;",
        "IF TG_OP != 'UPDATE' THEN RETURN OLD; END IF;",
        "IF TG_OP IN ('INSERT', 'UPDATE') THEN RETURN NEW; ELSE RETURN OLD; END IF;",
        "IF TG_TABLE_NAME = 'x' AND OLD.id IS NOT NULL THEN RETURN OLD; ELSE RETURN OLD; END IF;",
        "IF OLD.id = 1 THEN NULL; END IF; RETURN OLD;",
        "BEGIN RETURN OLD; EXCEPTION WHEN OTHERS THEN RETURN OLD; END;",
    ],
)
def test_a_deleted_row_goes_if_every_path_returns_it_and_none_can_fail(statements: str) -> None:
    assert _why(statements, "delete", "before") is None


@pytest.mark.parametrize(
    ("statements", "why"),
    [
        ("NULL;", "it can end without RETURN OLD"),
        ("RETURN NULL;", "RETURN NULL instead of OLD"),
        ("RETURN NEW;", "RETURN NEW instead of OLD"),
        ("RETURN COALESCE(OLD, NULL);", "RETURN COALESCE ( OLD , NULL ) instead of OLD"),
        ("PERFORM f(); RETURN OLD;", '"perform f ( …" can fail'),
        ("x := 1; RETURN OLD;", '"x := 1 …" can fail'),
        ("RAISE EXCEPTION 'no';", "RAISE ends the server's own statement"),
        ("RAISE;", "RAISE ends the server's own statement"),
        ("RAISE NOTICE '%', 1 / 0; RETURN OLD;", "an argument of RAISE can fail"),
        ("ASSERT true; RETURN OLD;", "ASSERT can fail"),
        ("IF OLD.a / OLD.b = 1 THEN RETURN OLD; ELSE RETURN OLD; END IF;", "a condition can fail"),
        ("IF other.a = 1 THEN RETURN OLD; ELSE RETURN OLD; END IF;", "a condition can fail"),
        ("IF OLD.id = 1 THEN RETURN OLD; END IF;", "it can end without RETURN OLD"),
        ("IF TG_OP = 'UPDATE' THEN RETURN OLD; END IF;", "it can end without RETURN OLD"),
        ("IF TG_OP = 'DELETE' THEN RETURN NULL; END IF; RETURN OLD;", "RETURN NULL instead of OLD"),
        ("BEGIN RETURN OLD; EXCEPTION WHEN OTHERS THEN NULL; END;", "it can end without RETURN OLD"),
        ("SELECT a INTO old FROM x; RETURN OLD;", "OLD is replaced as a whole"),
        ("LOOP RETURN NULL; END LOOP; RETURN OLD;", "RETURN NULL instead of OLD"),
        ("RETURN OLD", "its body is not understood"),
        ("RETURN 'OLD;", "its body cannot be read"),
    ],
)
def test_a_body_that_may_stop_a_delete_is_refused_with_the_reason(statements: str, why: str) -> None:
    assert (_why(statements, "delete", "before") or "").startswith(why)


@pytest.mark.parametrize(
    ("declared", "why"),
    [
        ("a int", None),
        ("a int := 5", None),
        ("a text DEFAULT 'x'", None),
        ("a int = null", None),
        ("a int := f()", "the initial value of a can fail"),
        ("a int := b", "the initial value of a can fail"),
        ("a int := - 5", "the initial value of a can fail"),
        ("old int", "a variable called old hides the row"),
        ("new int := 1", "a variable called new hides the row"),
    ],
)
def test_an_initial_value_may_be_a_literal_before_a_delete(declared: str, why: str | None) -> None:
    assert _why("RETURN OLD;", "delete", "before", declared) == why


def test_an_initial_value_may_be_anything_before_an_update() -> None:
    """An update that fails is not a row that is left behind; only hidden rows are refused."""
    assert _why("RETURN NEW;", "update", "before", "a int := f()") is None
    assert _why("RETURN NEW;", "update", "before", "new int") == "a variable called new hides the row"


@pytest.mark.parametrize(
    ("statements", "why"),
    [
        ("NEW.a := f(); RETURN NEW;", None),
        ("RETURN COALESCE(NEW, OLD);", None),
        ("RAISE EXCEPTION 'no';", None),
        ("ASSERT false; RETURN NEW;", None),
        ("LOOP RAISE EXCEPTION 'no'; END LOOP; RETURN NEW;", None),
        ("FOR i IN 1..2 LOOP RETURN NEW; END LOOP; RETURN NEW;", None),
        ("CASE a WHEN 1 THEN RETURN NEW; ELSE NULL; END CASE;", None),
        ("RETURN OLD;", "RETURN OLD instead of NEW"),
        ("RETURN COALESCE(OLD, NEW);", "RETURN COALESCE ( OLD , NEW ) instead of NEW"),
        ("RETURN NULL;", "RETURN NULL instead of NEW"),
        ("NEW := OLD; RETURN NEW;", "NEW is replaced as a whole"),
        ("NEW = OLD; RETURN NEW;", "NEW is replaced as a whole"),
        ("SELECT x INTO new FROM y; RETURN NEW;", "NEW is replaced as a whole"),
        ("FOR new IN SELECT 1 LOOP NULL; END LOOP; RETURN NEW;", "NEW is replaced as a whole"),
        ("WHILE a LOOP RETURN NULL; END LOOP; RETURN NEW;", "RETURN NULL instead of NEW"),
        ("CASE a WHEN 1 THEN RETURN OLD; ELSE NULL; END CASE; RETURN NEW;", "RETURN OLD instead of NEW"),
    ],
)
def test_an_updated_row_stays_as_it_came(statements: str, why: str | None) -> None:
    assert _why(statements, "update", "before") == why


@pytest.mark.parametrize("event", ["delete", "update"])
@pytest.mark.parametrize(
    ("statements", "why"),
    [
        ("RETURN NULL;", None),
        ("PERFORM f(); INSERT INTO log VALUES (1);", None),
        ("RAISE WARNING 'x %', 1 / 0;", None),
        ("LOOP RAISE DEBUG 'x'; EXIT; END LOOP;", None),
        ("NEW := OLD;", None),
        ("RAISE EXCEPTION 'no';", "RAISE ends the server's own statement"),
        ("ASSERT false;", "ASSERT can fail"),
        ("LOOP RAISE EXCEPTION 'no'; END LOOP;", "RAISE ends the server's own statement"),
        ("LOOP ASSERT false; END LOOP;", "ASSERT ends the server's own statement"),
    ],
)
def test_after_the_change_only_an_error_can_stop_it(event: Event, statements: str, why: str | None) -> None:
    assert _why(statements, event, "after") == why


def test_a_trigger_of_a_statement_may_return_anything() -> None:
    assert _why("RETURN NULL;", "update", "before", each_row=False) is None
    assert _why("RETURN NULL;", "delete", "before", each_row=False) is None
    assert _why("NULL;", "delete", "before", each_row=False) is None
    assert _why("PERFORM f();", "delete", "before", each_row=False) == '"perform f ( …" can fail'
