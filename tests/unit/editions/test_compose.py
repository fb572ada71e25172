"""An edition of plugins from anywhere: what is written for Bazel, and what is refused with the reason."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from editions.tools import compose
from editions.tools.compose import Composition, Place
from editions.tools.outside_source import SourceError, look

PLUGIN = 'load("@flovyn_server//plugins:defs.bzl", "server_plugin")\n\nserver_plugin(\n    name = "x",\n)\n'


@pytest.fixture
def server(tmp_path: Path) -> Place:
    """A checkout that has the plugin worker-token."""
    repository(tmp_path / "server", "flovyn_server", "plugins/worker_token")
    return Place("server", tmp_path)


def repository(root: Path, name: str, *packages: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / "WORKSPACE").write_text(f'workspace(name = "{name}")\n')
    for package in packages:
        (root / package).mkdir(parents=True)
        (root / package / "BUILD.bazel").write_text(PLUGIN)
    return root


def packed(root: Path, to: Path) -> str:
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(root.rglob("*")):
            archive.write(path, Path("acme-1.0", path.relative_to(root)))
    return hashlib.sha256(to.read_bytes()).hexdigest()


def composed(server: Place, *options: str) -> Composition:
    composition = Composition(server)
    for option in options:
        composition.add(option, server.base)
    return composition


def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setenv("BUILD_WORKSPACE_DIRECTORY", str(tmp_path / "server"))
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    return compose.main(["--no-build", "--out", "out", *arguments])


def test_plugins_of_both_repositories_are_one_edition(tmp_path: Path, server: Place) -> None:
    """The folder of the plugin and the folder of its repository are equally good; its locks come along."""
    acme = repository(tmp_path / "acme", "acme", "lib/widgets", "gadgets")
    (acme / "requirements.lock").write_text("")
    for place in ("acme", "acme/lib", "acme/lib/widgets"):
        made = compose.files(composed(server, f"widgets={place}", "worker_token"))
        assert '"@acme//lib/widgets",\n        "@flovyn_server//plugins/worker_token",' in made["BUILD.bazel"]
        assert f'name = "acme",\n    path = "{acme}"' in made["WORKSPACE"]
        assert 'flovyn_server_repositories(locks = ["@acme//:requirements.lock"])' in made["WORKSPACE"]
        assert 'flovyn.wheels(lock = "@acme//:requirements.lock")' in made["MODULE.bazel"]
        assert 'bazel_dep(name = "acme")' in made["MODULE.bazel"]


def test_an_archive_is_pinned_by_its_digest(tmp_path: Path, server: Place) -> None:
    """Of what was read; a digest that the caller gives must be that one."""
    sha256 = packed(repository(tmp_path / "acme", "acme", "widgets"), tmp_path / "acme.zip")
    for place in ("acme.zip", f"acme.zip#sha256={sha256}", (tmp_path / "acme.zip").as_uri()):
        made = compose.files(composed(server, f"widgets={place}"))["WORKSPACE"]
        assert (
            f'sha256 = "{sha256}",\n    strip_prefix = "acme-1.0",\n    urls = ["file://{tmp_path}/acme.zip"]' in made
        )
        assert made.startswith('workspace(name = "edition")\n\nload("@bazel_tools//tools/build_defs/repo:http.bzl"')
    with pytest.raises(SourceError, match=f"has the sha256 {sha256}, not {'0' * 64}; do not use it"):
        compose.files(composed(server, f"widgets=acme.zip#sha256={'0' * 64}"))


@pytest.mark.usefixtures("server")
def test_a_repository_inside_of_another_has_plugins_of_its_own(tmp_path: Path) -> None:
    """The server's checkout holds one for its tests, with a plugin of the same name as the server's; archives, too."""
    repository(tmp_path / "server/tests/acme", "acme", "worker_token")
    packed(tmp_path / "server", tmp_path / "server.zip")
    for place in ("server", "server.zip"):
        made = compose.files(composed(Place(place, tmp_path), "worker-token"))["BUILD.bazel"]
        assert '"@flovyn_server//plugins/worker_token",' in made


@pytest.mark.usefixtures("server")
def test_a_file_says_what_options_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its places begin in its folder; an option takes the place of its entry, so that a local version can be tried."""
    packed(repository(tmp_path / "acme", "acme", "widgets"), tmp_path / "acme.zip")
    plugins = {"worker-token": "", "widgets": "../acme.zip"}
    content = {"schema": 1, "name": "acme", "plugins": plugins, "max_size_mb": 27, "pythons": ["3.12"]}
    (tmp_path / "made").mkdir()
    (tmp_path / "made/edition.json").write_text(json.dumps(content))
    assert run(tmp_path, monkeypatch, "made/edition.json") == 0
    build = (tmp_path / "out/BUILD.bazel").read_text()
    assert 'name = "acme"' in build
    assert '    max_size_mb = 27,\n    pythons = ["3.12"],\n' in build
    assert "http_archive(" in (tmp_path / "out/WORKSPACE").read_text()
    assert run(tmp_path, monkeypatch, "made/edition.json", "--with", "widgets=acme") == 0
    assert "http_archive(" not in (tmp_path / "out/WORKSPACE").read_text()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("widgets=nowhere", "nowhere is no folder; name a plugin's folder"),
        ("widgets=bare", r"bare lies in no repository of Bazel: .*//plugins:new -- NAME --workspace DIR"),
        ("widgets=acme", "@acme has no plugin widgets; its plugins are: gadgets"),
        ("widgets", "@flovyn_server has no plugin widgets; its plugins are: worker-token"),
        ("wid gets=acme", "--with wid gets=acme: .*; write NAME or NAME=PLACE"),
        ("widgets=no.zip", r"no\.zip cannot be read"),
        ("widgets=text.zip", r"text\.zip is no archive \*\.zip: File is not a zip file"),
        ("widgets=acme.tar.gz", r"acme\.tar\.gz is no folder; name .* an archive \*\.zip of its repository"),
        ("widgets=https://example.org/acme.tar.gz", r"acme\.tar\.gz is no address of an archive \*\.zip"),
        ("widgets=nameless", r'has no name: write workspace\(name = "…"\) into its WORKSPACE'),
    ],
)
def test_a_place_without_the_plugin_is_told(tmp_path: Path, server: Place, option: str, message: str) -> None:
    """With what lies there, and what to do."""
    repository(tmp_path / "acme", "acme", "gadgets")
    repository(tmp_path / "nameless", "x")
    (tmp_path / "nameless/WORKSPACE").write_text("")
    (tmp_path / "bare").mkdir()
    (tmp_path / "text.zip").write_text("text")
    with pytest.raises(SourceError, match=message):
        compose.files(composed(server, option))


def test_two_repositories_cannot_have_one_name(tmp_path: Path, server: Place) -> None:
    """Bazel would take one of them without a word."""
    for place, package in (("one", "widgets"), ("two", "gadgets")):
        repository(tmp_path / place, "acme", package)
    with pytest.raises(SourceError, match=r"two repositories are named acme: .*two.*one"):
        compose.files(composed(server, "widgets=one", "gadgets=two"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"schema": 1,}', r"edition\.json:1:14: "),
        ('{"schema": 2}', '"schema" must be 1'),
        ('{"schema": 1, "plugin": {}}', 'unknown key "plugin"; known are schema, name'),
        ('{"schema": 1, "plugins": ["widgets"]}', '"plugins" must be an object of places by plugin'),
    ],
)
def test_a_wrong_file_is_told_with_its_place(tmp_path: Path, server: Place, text: str, message: str) -> None:
    """Where it is broken, and what is right."""
    (tmp_path / "edition.json").write_text(text)
    with pytest.raises(SourceError, match=message):
        Composition(server).read(tmp_path / "edition.json")


@pytest.mark.usefixtures("server")
def test_a_folder_of_another_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only a folder that is new, empty or the program's own is written."""
    assert run(tmp_path, monkeypatch, "--with", "worker-token") == 0
    assert run(tmp_path, monkeypatch) == 0
    (tmp_path / "out/BUILD.bazel").write_text("mine")
    assert run(tmp_path, monkeypatch) == 1
    assert "is not empty and was not written by this program" in capsys.readouterr().err
    assert (tmp_path / "out/BUILD.bazel").read_text() == "mine"


@pytest.mark.usefixtures("server")
def test_the_place_of_the_server_must_hold_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another repository is named."""
    repository(tmp_path / "acme", "acme", "gadgets")
    assert run(tmp_path, monkeypatch, "--server", "acme") == 1
    assert "acme holds acme, not the server" in capsys.readouterr().err


def test_the_folder_that_is_named_may_hold_the_only_plugin(tmp_path: Path) -> None:
    """A place alone says which plugin, when there is one below it."""
    found, below = look("acme/lib", repository(tmp_path / "acme", "acme", "lib/widgets", "gadgets").parent)
    assert found.labels("", below) == ["@acme//lib/widgets"]
    with pytest.raises(SourceError, match="has not one plugin; its plugins are: gadgets, widgets"):
        found.labels("", ".")
