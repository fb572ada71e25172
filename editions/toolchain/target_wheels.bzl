"""`target_wheels`: all locked wheels of one platform and Python, of which an edition takes those that it reaches."""

load("//editions/private:providers.bzl", "TargetWheelsInfo")

def _target_wheels_impl(ctx):
    wheels = {}
    for target, pin in ctx.attr.wheels.items():
        name, _, version = pin.partition("==")
        wheels[name] = struct(name = name, version = version, file = target[DefaultInfo].files.to_list()[0])
    return [TargetWheelsInfo(
        platform = ctx.attr.platform,
        python = ctx.attr.python,
        environment = ctx.file.environment,
        wheels = wheels,
        needs = ctx.attr.needs,
        missing = ctx.attr.missing,
        excluded = ctx.attr.excluded,
    )]

target_wheels = rule(
    implementation = _target_wheels_impl,
    doc = "The wheels of a target. Written by target_wheelhouse.py, not by hand.",
    attrs = {
        "environment": attr.label(doc = "Markers and tags of the target.", allow_single_file = True, mandatory = True),
        "excluded": attr.string_list(doc = "Locked wheels that the target has no use for."),
        "missing": attr.string_dict(doc = "Name to what is missing, in words."),
        "needs": attr.string_list_dict(doc = "The wheels that each one needs."),
        "platform": attr.string(doc = "The platform.", mandatory = True),
        "python": attr.string(doc = "The CPython minor version.", mandatory = True),
        "wheels": attr.label_keyed_string_dict(doc = "The .whl files, each with 'name==version'.", allow_files = [".whl"]),
    },
)
