"""Patterns of paths: which paths each of them matches."""

from __future__ import annotations

import pytest

from core.errors import ConfigError
from server.config.path_rules import ANYTHING, UNNAMED, compiled, excluded, names, segments

UUID_TEXT = "0b6bbd0e-4f0c-4c0e-9f1a-6f6b8a1f2c3d"


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("/a/b", "/a/b", True),
        ("/a/b", "/a", False),
        ("/a/b", "/a/b/c", False),
        ("/a/*", "/a/b", True),
        ("/a/*", "/a/", True),
        ("/a/*", "/a", False),
        ("/a/*", "/a/b/c", False),
        ("/a/**", "/a", True),
        ("/a/**", "/a/b/c", True),
        ("/a/**/d", "/a/d", True),
        ("/a/**/d", "/a/b/c/d", True),
        ("/a/**/d", "/a/b/c", False),
        ("/**", "/", True),
        ("/a%2Fb", "/a/b", False),
        ("/%2A", "/x", False),
        (f"/{UUID_TEXT}", f"/{UUID_TEXT.upper().replace('-', '')}", True),
    ],
)
def test_a_pattern_matches_whole_paths(pattern: str, path: str, *, matches: bool) -> None:
    assert compiled(pattern).matches(segments(path)) is matches


def test_a_segment_may_have_several_names_or_none() -> None:
    pattern = compiled("/a/b")
    assert pattern.matches([names(["a"]), names(["x", "b"])])
    assert pattern.matches([names(["a"]), ANYTHING])
    assert not pattern.matches([names(["a"]), UNNAMED])
    assert compiled("/a/*").matches([names(["a"]), UNNAMED])


@pytest.mark.parametrize("pattern", ["", "a", "/a*", "/a/***", "/**b"])
def test_other_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(ConfigError):
        compiled(pattern)


def test_an_excluded_path_is_exact_unless_it_ends_with_a_star() -> None:
    assert excluded("/a.b").fullmatch("/a.b")
    assert not excluded("/a.b").fullmatch("/a.bc")
    assert not excluded("/a.b").fullmatch("/axb")
    assert excluded("/a*").fullmatch("/a/b\nc")
