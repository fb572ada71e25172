"""Which plugins a configuration needs, and what is written into the menu for it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from editions.tools import menu_file
from editions.tools.suggest import explain, main, plugins_of, with_edition
from editions.tools.wanted_plugins import Reason, UnknownNames, wanted
from server.plugin_checks.contributions import Contributions

PLUGINS = {
    "audit-log": Contributions(sections=("plugins.audit_log",), rpcs=("/flovyn.plugins.audit_log.v1.Audit/List",)),
    "jwt": Contributions(authenticators=("jwt",), sections=("auth.jwt", "plugins.jwt")),
    "policy": Contributions(authorizers=("policy",)),
    "worker-token": Contributions(
        authenticators=("worker_token",),
        aliases=("POST /api/tenants/{slug}/worker-tokens",),
        sections=("auth.worker_token", "plugins.worker_token"),
    ),
}
MENU = {"schema": 1, "default": "full", "editions": {"full": {"description": "d", "plugins": ["//plugins/jwt"]}}}


def reasons(text: str) -> list[tuple[str, str]]:
    return [(each.plugin, each.place) for each in wanted(tomllib.loads(text), PLUGINS)]


@pytest.mark.parametrize(
    ("text", "plugin", "place"),
    [
        ("[plugins.audit_log]\n", "audit-log", "[plugins.audit_log]"),
        ("[auth.jwt]\n", "jwt", "[auth.jwt]"),
        ('[auth.endpoints.http]\nauthenticators = ["static_api_key", "jwt"]\n', "jwt", "auth.endpoints.http"),
        ('[auth.endpoints.grpc]\nauthorizer = "policy"\n', "policy", "auth.endpoints.grpc"),
        (
            '[[auth.endpoints.grpc.rules]]\npath = "/a.B/C"\nauthenticators = ["worker_token"]\n',
            "worker-token",
            "auth.endpoints.grpc.rules[0]",
        ),
        (
            '[[auth.endpoints.http.rules]]\npath = "/api/v1/p/audit-log/**"\n',
            "audit-log",
            "auth.endpoints.http.rules[0]: /api/v1/p/audit-log/**",
        ),
        (
            '[[auth.endpoints.grpc.rules]]\npath = "/flovyn.plugins.audit_log.v1.Audit/*"\n',
            "audit-log",
            "auth.endpoints.grpc.rules[0]: /flovyn.plugins.audit_log.v1.Audit/*",
        ),
        (
            '[auth.endpoints.http]\nexclude_paths = ["/api/tenants/x/worker-tokens"]\n',
            "worker-token",
            "auth.endpoints.http: /api/tenants/x/worker-tokens",
        ),
    ],
)
def test_every_kind_of_name_leads_to_its_plugin(text: str, plugin: str, place: str) -> None:
    """Sections, older sections, authenticators, authorizers and paths, each with the place that names it."""
    assert reasons(text) == [(plugin, place)]


def test_settings_of_the_server_need_no_plugin() -> None:
    """Its own names, other programs' tables, and patterns that match everything."""
    text = '[nats]\na = 1\n[auth.cedar]\na = 1\n[auth.endpoints.http]\nauthenticators = ["static_api_key", "noop"]\n'
    text += 'authorizer = "cedar"\nexclude_paths = ["/api/docs*"]\n[[auth.endpoints.http.rules]]\npath = "/**"\n'
    assert reasons(text) == []


def test_names_that_no_plugin_offers_are_all_named() -> None:
    """Each with its place and the nearest one that there is."""
    text = '[plugins.audit_lock]\n[auth.endpoints.http]\nauthenticators = ["jwtt"]\nauthorizer = "zzz"\n'
    text += '[[auth.endpoints.http.rules]]\npath = "/api/v1/p/absent/x"\n'
    with pytest.raises(UnknownNames) as caught:
        reasons(text)
    assert str(caught.value).splitlines() == [
        "[plugins.audit_lock]: no plugin offers section 'plugins.audit_lock'; did you mean 'plugins.audit_log'?",
        "auth.endpoints.http: no plugin offers authenticator 'jwtt'; did you mean 'jwt'?",
        "auth.endpoints.http: no plugin offers authorizer 'zzz'",
        "auth.endpoints.http.rules[0]: /api/v1/p/absent/x: no plugin offers plugin 'absent'",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "auth = 1\nplugins = 2\n",
        '[auth.endpoints.http]\nauthenticators = "jwt"\nrules = [1]\nexclude_paths = 3\nauthorizer = 4\n',
        '[[auth.endpoints.http.rules]]\npath = "no/slash"\n',
    ],
)
def test_nonsense_is_left_to_the_server(text: str) -> None:
    """The edition's own check says what is wrong with it."""
    assert reasons(text) == []


def test_the_edition_is_added_once() -> None:
    """A new one has the labels; the same one again changes nothing; another one of that name is refused."""
    wider = with_edition(MENU, "acme", ["//plugins/jwt"], "server.toml")
    assert wider["editions"]["acme"] == {"description": "What server.toml needs.", "plugins": ["//plugins/jwt"]}
    assert list(wider["editions"]) == ["full", "acme"]
    assert with_edition(wider, "acme", ["//plugins/jwt"], "server.toml") is wider
    with pytest.raises(ValueError, match="edition 'full' with other plugins"):
        with_edition(MENU, "full", [], "server.toml")
    with pytest.raises(ValueError, match="cannot be an edition's name"):
        with_edition(MENU, "1-acme", [], "server.toml")


def test_the_explanation_gathers_the_reasons() -> None:
    """A plugin stands once, above every place that needs it."""
    text = explain([Reason("jwt", "a"), Reason("jwt", "b")], {"jwt": ("//plugins/jwt", PLUGINS["jwt"])})
    assert text == "  //plugins/jwt\n    a\n    b\n"


def test_the_findings_of_the_build_are_read(tmp_path: Path) -> None:
    """The two files of a plugin, by its label."""
    folder = tmp_path / "bazel-bin/plugins/audit_log"
    folder.mkdir(parents=True)
    (folder / "audit_log.plugin.json").write_text('{"name": "audit-log"}')
    (folder / "audit_log.contributions.json").write_text(json.dumps(PLUGINS["audit-log"].as_json()))
    found = plugins_of(tmp_path, ["//plugins/audit_log:audit_log"])
    assert found == {"audit-log": ("//plugins/audit_log", PLUGINS["audit-log"])}


def test_the_menu_keeps_its_form(tmp_path: Path) -> None:
    """Reading and writing the repository's own changes no byte; a long list is broken into lines."""
    text = menu_file.MENU.read_text("utf-8")
    (tmp_path / "editions").mkdir()
    (tmp_path / menu_file.MENU).write_text(text)
    menu_file.write(tmp_path, menu_file.read(tmp_path))
    assert (tmp_path / menu_file.MENU).read_text() == text
    long: dict[str, Any] = {"a": ["x" * 60, "y" * 60]}
    assert menu_file.formatted(long) == f'{{\n  "a": [\n    "{"x" * 60}",\n    "{"y" * 60}"\n  ]\n}}'


def test_a_file_that_is_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, before anything is built."""
    monkeypatch.setenv("BUILD_WORKSPACE_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    assert main(["absent.toml"]) == 1
    assert "absent.toml" in capsys.readouterr().err
