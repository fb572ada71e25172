"""The facts of an edition before it is packed: its parts, its wheels, and the SBOM.

The facts of the wheels change only with the set of wheels and the SBOM only with what is in the edition, so editing a line
of a source runs neither.
"""

load(":edition_target.bzl", "edition_target")
load(":providers.bzl", "PackInfo", "ServerPluginInfo")
load(":tool.bzl", "PYTHON_ATTR", "run_tool", "tool_attr")

PROOF_ATTRS = {
    "_lock": attr.label(doc = "Pins what an edition may contain.", default = "//editions/toolchain:runtime.lock", allow_single_file = True),
    "_locks": attr.label(doc = "The entries of all locks of editions.", default = "@wheels//:edition_locks.json", allow_single_file = True),
    "_pex": attr.label(doc = "The wheel whose code every edition starts with.", default = "@wheels//:pex", providers = [PackInfo]),
    "_python": PYTHON_ATTR,
    "_wheel_facts": tool_attr("//editions/tools:wheel_facts"),
    "_write_sbom": tool_attr("//editions/tools:write_sbom"),
}

def _part(ctx, targets):
    """Names of wheels, for what the edition is for, and paths of sources, that targets bring."""
    packs = [target[PackInfo] for target in targets]
    return {
        "sources": [file.short_path for file in depset(transitive = [pack.sources for pack in packs]).to_list()],
        "wheels": [wheel.name for wheel in edition_target(ctx, packs).wheels],
    }

def edition_parts(ctx, server, plugins, extras):
    """Writes down who brings what: the server, each plugin by its name, and the extras.

    Args:
        ctx: the edition's context; the rule has TARGET_ATTR as `target_wheels`.
        server: the server's target.
        plugins: the plugins' targets.
        extras: targets of wheels that the edition carries besides.

    Returns:
        the file, `<edition>.parts.json`.
    """
    out = ctx.actions.declare_file(ctx.label.name + ".parts.json")
    parts = {"extras": _part(ctx, extras), "server": _part(ctx, [server])}
    for plugin in plugins:
        parts[plugin[ServerPluginInfo].name] = _part(ctx, [plugin])
    ctx.actions.write(out, json.encode(parts))
    return out

def wheel_facts(ctx, target, deps_pex):
    """Writes down licence, digest, size, content and needs of wheels; fails when one is not locked.

    Args:
        ctx: the edition's context; the rule has PROOF_ATTRS.
        target: what edition_target returned.
        deps_pex: the PEX that they are packed in.

    Returns:
        the file, `<edition>.wheels.json`.
    """
    out = ctx.actions.declare_file(ctx.label.name + ".wheels.json")
    args = ctx.actions.args()
    args.add("--label", str(ctx.label)).add("--pex", deps_pex).add("--locks", ctx.file._locks).add("--out", out)
    for wheel in target.wheels:
        args.add_all("--wheel", [wheel.name, wheel.version, wheel.file])
        args.add_all("--needs", [wheel.name] + sorted(target.needs.get(wheel.name, [])))
    boot = [wheel for wheel in ctx.attr._pex[PackInfo].wheels.to_list() if wheel.name == "pex"][0]
    args.add_all("--boot", [boot.name, boot.version, boot.file])
    inputs = [wheel.file for wheel in target.wheels + [boot]] + [deps_pex, ctx.file._locks]
    run_tool(ctx, ctx.attr._wheel_facts, [args], inputs, [out], mnemonic = "WheelFacts")
    return out

def edition_sbom(ctx, info, wheels, parts):
    """Writes the SBOM.

    Args:
        ctx: the edition's context; the rule has PROOF_ATTRS.
        info: edition.json.
        wheels: what wheel_facts returned.
        parts: what edition_parts returned.

    Returns:
        the file, `<edition>.cdx.json`.
    """
    out = ctx.actions.declare_file(ctx.label.name + ".cdx.json")
    args = ctx.actions.args()
    args.add("--edition", info).add("--wheels", wheels).add("--parts", parts).add("--out", out)
    run_tool(ctx, ctx.attr._write_sbom, [args], [info, wheels, parts], [out], mnemonic = "EditionSbom")
    return out
