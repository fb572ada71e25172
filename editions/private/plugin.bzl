"""The rule behind `server_plugin`: checks a plugin and says what editions need to know of it."""

load(":pack.bzl", "collect_pack")
load(":pack_files.bzl", "source_argument")
load(":providers.bzl", "NpmInfo", "PackInfo", "ServerPluginInfo")
load(":tool.bzl", "PYTHON_ATTR", "run_tool", "tool_attr")

def _check_names(ctx):
    """Fails unless target, folder and entry fit together; the rest is checked from the source, by the action."""
    folder = ctx.label.package.rpartition("/")[2]
    if ctx.label.name != folder:
        fail("%s: a plugin is named like its folder; name the target '%s' or move it" % (ctx.label, folder or "…"))
    module, colon, attribute = ctx.attr.entry.partition(":")
    if not (module and colon and attribute) or ":" in attribute:
        fail("%s: entry must be 'module:Class', such as '%s.plugin:MyPlugin', not '%s'" % (
            ctx.label,
            ctx.label.package.replace("/", "."),
            ctx.attr.entry,
        ))
    return module

def _check_deps(ctx):
    """Fails when the plugin uses another plugin's code: an edition that lacks the other one could not start."""
    for dep in ctx.attr.deps:
        if ServerPluginInfo in dep:
            fail(("%s: depends on the plugin %s; a plugin uses core, wheels and its own targets, so that each edition can " +
                  "leave any plugin out. Move what both need into a library that is no plugin") % (ctx.label, dep.label))

def _module_file(ctx, module):
    """The file among the sources that holds the entry's module."""
    suffix = "/" + module.replace(".", "/") + ".py"
    for file in ctx.files.srcs:
        if ("/" + file.short_path).endswith(suffix):
            return file
    fail("%s: entry '%s' names the module %s, but srcs hold no file %s; mend the entry or add the file" %
         (ctx.label, ctx.attr.entry, module, suffix[1:]))

def _describe(ctx, pack, manifest):
    """Imports the plugin, checked before, and asks what it declares."""
    out = ctx.actions.declare_file(ctx.label.name + ".contributions.json")
    trees = [wheel.tree for wheel in pack.wheels.to_list()]
    args = ctx.actions.args()
    args.use_param_file("@%s", use_always = True).set_param_file_format("multiline")
    args.add(ctx.attr.entry, format = "--entry=%s").add("--label=%s" % ctx.label).add(out, format = "--out=%s")
    args.add_all(pack.imports, format_each = "--import=%s")
    args.add_all("--source", pack.sources, map_each = source_argument)
    args.add_all(trees, format_each = "--wheel=%s", expand_directories = False)
    run_tool(
        ctx,
        ctx.attr._describe,
        [args],
        inputs = depset([manifest] + trees, transitive = [pack.sources]),
        outputs = [out],
        persistent = True,
        mnemonic = "PluginDescribe",
        progress_message = "Asking plugin %s what it adds" % ctx.label,
    )
    return out

def _server_plugin_impl(ctx):
    _check_deps(ctx)
    module_file = _module_file(ctx, _check_names(ctx))
    name = ctx.label.name.replace("_", "-")
    manifest = ctx.actions.declare_file(ctx.label.name + ".plugin.json")
    args = ctx.actions.args()
    args.add_all(["--name", name, "--entry", ctx.attr.entry])
    args.add("--source", module_file).add("--out", manifest)
    args.add_all(ctx.files.migrations, before_each = "--migration")
    npm = [package[NpmInfo].facts for package in ctx.attr.npm]
    args.add_all(npm, before_each = "--npm")
    run_tool(
        ctx,
        ctx.attr._check,
        [args],
        inputs = ctx.files.migrations + npm + [module_file],
        outputs = [manifest],
        mnemonic = "PluginCheck",
        progress_message = "Checking plugin %s" % ctx.label,
    )
    library = ctx.attr.library
    contributions = _describe(ctx, library[PackInfo], manifest)
    return [
        DefaultInfo(files = library[DefaultInfo].files, runfiles = library[DefaultInfo].default_runfiles),
        OutputGroupInfo(manifest = depset([manifest, contributions])),
        library[PackInfo],
        ServerPluginInfo(name = name, entry = ctx.attr.entry, manifest = manifest, contributions = contributions),
    ]

server_plugin_rule = rule(
    implementation = _server_plugin_impl,
    doc = "A plugin. Use the macro `server_plugin` of plugins/defs.bzl.",
    attrs = {
        "deps": attr.label_list(doc = "Dependencies of the library, to refuse other plugins."),
        "entry": attr.string(doc = "'module:Class' of the plugin.", mandatory = True),
        "library": attr.label(doc = "The plugin's code and data.", mandatory = True, aspects = [collect_pack]),
        "migrations": attr.label_list(doc = "The plugin's migrations, in any order.", allow_files = [".sql"]),
        "npm": attr.label_list(doc = "The npm packages whose files its site holds.", providers = [NpmInfo]),
        "srcs": attr.label_list(doc = "The plugin's modules, to find the entry's.", allow_files = [".py"]),
        "_check": tool_attr("//editions/tools:check_plugin"),
        "_describe": tool_attr("//editions/tools:describe_plugin"),
        "_python": PYTHON_ATTR,
    },
)
