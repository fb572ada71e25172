"""`target_names`: the names of a package's targets as a file, so that a test can hold other files' labels against them."""

def _target_names_impl(ctx):
    out = ctx.actions.declare_file(ctx.label.name + ".txt")
    ctx.actions.write(out, "".join([name + "\n" for name in ctx.attr.names]))
    return [DefaultInfo(files = depset([out]))]

_target_names_rule = rule(
    implementation = _target_names_impl,
    doc = "Writes names. Use the macro `target_names`.",
    attrs = {"names": attr.string_list(doc = "The names.")},
)

def target_names(name):
    """The file `<name>.txt`: a name per line of every rule that stands above the call in its BUILD file."""
    _target_names_rule(
        name = name,
        names = sorted(native.existing_rules().keys()),
        visibility = ["//tests:__subpackages__"],
    )
