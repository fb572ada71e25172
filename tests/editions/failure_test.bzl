"""`failure_test`: passes when a target fails at analysis with an expected message.

The target is analysed under a transition that turns its failure into a value, so that the failure is this test's subject
and not the build's end.
"""

def _failure_test_impl(ctx):
    target = ctx.attr.target[0] if type(ctx.attr.target) == "list" else ctx.attr.target
    if AnalysisFailureInfo not in target:
        return [_result(False, "%s was expected to fail at analysis and did not" % target.label)]
    messages = [cause.message for cause in target[AnalysisFailureInfo].causes.to_list()]
    found = [message for message in messages if ctx.attr.expected in message]
    return [_result(bool(found), "expected '%s' in:\n%s" % (ctx.attr.expected, "\n".join(messages)))]

def _result(success, message):
    return AnalysisTestResultInfo(success = success, message = "" if success else message)

failure_test = rule(
    implementation = _failure_test_impl,
    doc = "Expects a target to fail at analysis.",
    analysis_test = True,
    attrs = {
        "expected": attr.string(doc = "A part of the message.", mandatory = True),
        "target": attr.label(
            doc = "The target that must fail.",
            mandatory = True,
            cfg = analysis_test_transition(settings = {"//command_line_option:allow_analysis_failures": "True"}),
        ),
    },
)
