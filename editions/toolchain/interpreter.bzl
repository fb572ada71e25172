"""`interpreter`: the archive of a relocatable CPython, or what keeps it from being here."""

load("//editions/private:providers.bzl", "InterpreterInfo")

def _interpreter_impl(ctx):
    return [InterpreterInfo(archive = ctx.file.archive, missing = ctx.attr.missing, python = ctx.attr.python)]

interpreter = rule(
    implementation = _interpreter_impl,
    doc = "An interpreter to carry. Written by interpreter.py, not by hand.",
    attrs = {
        "archive": attr.label(doc = "The archive; none when it is missing.", allow_single_file = [".tar.gz"]),
        "missing": attr.string(doc = "What is missing and what to do, in words."),
        "python": attr.string(doc = "The CPython minor version.", mandatory = True),
    },
)
