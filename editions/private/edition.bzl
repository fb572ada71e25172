"""The rule behind `edition`: one PEX of the server, the chosen plugins and the wheels that they reach.

Two layers, because wheels are heavy and seldom change: PexDeps packs wheels, PexEdition adds the sources. Editing a line
of a plugin runs only the second one, in a second or less. The plugins' manifests are inputs of both what the edition says
of itself and of the packing, so an edition with a plugin that fails its check does not come to be.
"""

load(":chosen.bzl", "check_plugins")
load(":edition_target.bzl", "TARGET_ATTR", "edition_target")
load(":pack.bzl", "collect_pack")
load(":pack_files.bzl", "source_argument")
load(":proof.bzl", "PROOF_ATTRS", "edition_parts", "edition_sbom", "wheel_facts")
load(":providers.bzl", "PackInfo")
load(":tool.bzl", "run_tool", "tool_attr")

_ENTRY = "flovyn_edition:main"

def _pex_deps(ctx, target):
    """The layer of wheels: changes only with the set of wheels."""
    out = ctx.actions.declare_file(ctx.label.name + ".deps.pex")
    wheels = target.wheels
    environment = [target.environment] if target.environment else []
    args = ctx.actions.args()
    args.add("--entry", _ENTRY).add("--out", out).add("--platform", target.platform).add("--python", target.python)
    args.add_all(environment, before_each = "--environment")
    for wheel in wheels:
        args.add("--require", "%s==%s" % (wheel.name, wheel.version))
        args.add("--wheel", wheel.file)
    run_tool(
        ctx,
        ctx.attr._deps_pex,
        [args],
        inputs = environment + [wheel.file for wheel in wheels],
        outputs = [out],
        mnemonic = "PexDeps",
        progress_message = "Packing %d wheels for %s" % (len(wheels), ctx.label),
    )
    return out

def _boot(ctx, target, plugins):
    """The generated package: which plugins there are, and what the edition says of itself."""
    folder = ctx.label.name + ".edition/flovyn_edition/"
    module = ctx.actions.declare_file(folder + "__init__.py")
    info = ctx.actions.declare_file(folder + "edition.json")
    manifests = [plugin.manifest for plugin in plugins]
    contributions = [plugin.contributions for plugin in plugins]
    inputs = manifests + contributions + [ctx.file.version, ctx.file._lock, ctx.file._core_facts, ctx.file._server_names]
    args = ctx.actions.args()
    args.add("--edition", ctx.attr.edition).add("--label", "//%s:%s" % (ctx.label.package, ctx.attr.edition))
    args.add("--platform", target.platform).add("--python", target.python)
    args.add("--version-file", ctx.file.version).add("--lock", ctx.file._lock).add("--core-facts", ctx.file._core_facts)
    args.add("--server-names", ctx.file._server_names)
    args.add_all(manifests, before_each = "--plugin").add_all(contributions, before_each = "--contributions")
    args.add("--module", module).add("--info", info).add("--license-file", ctx.file._license)
    inputs.append(ctx.file._license)
    if ctx.attr.stamp:
        args.add("--status", ctx.info_file)
        inputs.append(ctx.info_file)
    run_tool(ctx, ctx.attr._write_edition, [args], inputs, [module, info], mnemonic = "EditionInfo")
    return module, info

def _pack(ctx, deps_pex, facts, boot, packs, manifests):
    """The edition, sources over the layer of wheels, and what lies beside it: manifest, provenance and checksums."""
    out, manifest, provenance, sums = [
        ctx.actions.declare_file(ctx.label.name + suffix)
        for suffix in (".pex", ".manifest.json", ".intoto.jsonl", ".SHA256SUMS")
    ]
    sources = depset(transitive = [pack.sources for pack in packs])
    args = ctx.actions.args()
    args.use_param_file("@%s", use_always = True).set_param_file_format("multiline")
    args.add(deps_pex, format = "--deps=%s").add(out, format = "--out=%s").add(manifest, format = "--manifest=%s")
    args.add(provenance, format = "--provenance=%s").add(sums, format = "--sums=%s").add(facts.sbom, format = "--sbom=%s")
    args.add(facts.wheels, format = "--wheels=%s").add(facts.parts, format = "--parts=%s")
    args.add("--label=%s" % ctx.label).add("--target=//%s:%s" % (ctx.label.package, ctx.label.name))
    args.add("--max-mb=%s" % (ctx.attr.max_size_mb or 0))
    args.add_all(depset(transitive = [pack.imports for pack in packs]), format_each = "--import=%s")
    args.add_all("--source", sources, map_each = source_argument)
    args.add(facts.sbom, format = "flovyn_edition/sbom.cdx.json=%s")
    for file in boot:
        args.add("flovyn_edition/%s=%s" % (file.basename, file.path))
    run_tool(
        ctx,
        ctx.attr._merge_pex,
        [args],
        inputs = depset([deps_pex, facts.wheels, facts.parts, facts.sbom] + list(boot) + manifests, transitive = [sources]),
        outputs = [out, manifest, provenance, sums],
        persistent = True,
        mnemonic = "PexEdition",
        progress_message = "Writing edition %s" % ctx.label,
    )
    return out, [manifest, facts.sbom, provenance, sums]

def _facts(ctx, target, deps_pex, info):
    """Return the facts of an edition that are known before it is packed."""
    parts = edition_parts(ctx, ctx.attr._server, ctx.attr.plugins, ctx.attr.extras + ctx.attr.tools)
    found = wheel_facts(ctx, target, deps_pex)
    return struct(parts = parts, sbom = edition_sbom(ctx, info, found, parts), wheels = found)

def _edition_impl(ctx):
    plugins = check_plugins(ctx.label, ctx.attr.listed, ctx.attr.plugins)
    packs = [target[PackInfo] for target in [ctx.attr._server] + ctx.attr.plugins + ctx.attr.extras + ctx.attr.tools]
    target = edition_target(ctx, packs)
    deps_pex = _pex_deps(ctx, target)
    boot = _boot(ctx, target, plugins)
    facts = _facts(ctx, target, deps_pex, boot[1])
    out, proof = _pack(ctx, deps_pex, facts, boot, packs, [plugin.manifest for plugin in plugins])
    return [
        # As runfiles they are built whenever the edition is, and who asks for the edition still gets one file.
        DefaultInfo(files = depset([out]), executable = out, runfiles = ctx.runfiles([out] + proof)),
        OutputGroupInfo(boot = depset(boot), deps_pex = depset([deps_pex]), proof = depset(proof)),
    ]

edition_rule = rule(
    implementation = _edition_impl,
    doc = "An edition. Use the macro `edition` of editions/defs.bzl.",
    executable = True,
    attrs = dict(PROOF_ATTRS, **{
        "edition": attr.string(doc = "The edition's name, for whatever platform it is.", mandatory = True),
        "extras": attr.label_list(doc = "Wheels that the edition carries besides.", providers = [PackInfo]),
        "listed": attr.string_list(doc = "The plugins as they were listed, duplicates included."),
        "max_size_mb": attr.string(doc = "Largest allowed size in MiB, as a decimal number; '' for no limit."),
        "plugins": attr.label_list(doc = "The plugins, each once.", aspects = [collect_pack]),
        "stamp": attr.bool(doc = "Whether the edition tells its commit."),
        "target_wheels": TARGET_ATTR,
        "tools": attr.label_list(doc = "Libraries of this repository that the edition carries besides.", aspects = [collect_pack]),
        "version": attr.label(doc = "The file that holds the version.", default = "//:VERSION", allow_single_file = True),
        "_core_facts": attr.label(doc = "Proofs of the core's migrations.", default = "//editions/tools:core_facts", allow_single_file = True),
        "_deps_pex": tool_attr("//editions/tools:deps_pex"),
        "_license": attr.label(doc = "The server's licence, an SPDX expression or nothing.", default = "//:LICENSE_EXPRESSION", allow_single_file = True),
        "_merge_pex": tool_attr("//editions/tools:merge_pex"),
        "_server": attr.label(doc = "The server.", default = "//editions/private:server", aspects = [collect_pack]),
        "_server_names": attr.label(doc = "The names that the server takes.", default = "//editions/tools:server_names", allow_single_file = True),
        "_write_edition": tool_attr("//editions/tools:write_edition"),
    }),
)
