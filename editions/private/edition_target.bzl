"""The platform and Python that an edition is for, and the wheels that it takes there.

Sources are the same everywhere. Wheels are not: the ones that exist differ, and so do those that each one needs.
"""

load("@python//:defs.bzl", "PYTHON_PLATFORM", "PYTHON_VERSION")
load(":providers.bzl", "TargetWheelsInfo")

TARGET_ATTR = attr.label(
    doc = "The wheels of the platform and Python that the edition is for; none for this machine where it is none of the platforms.",
    providers = [TargetWheelsInfo],
)

def _reached(info, roots):
    """The names that roots lead to in the target's wheels, missing ones included."""
    reached = {}
    ahead = [name for name in roots if name not in info.excluded]
    for _ in range(len(info.needs) + 1):
        reached.update({name: None for name in ahead})
        ahead = [other for name in ahead for other in info.needs.get(name, []) if other not in reached]
    return sorted(reached.keys())

def _check(label, info, names):
    missing = [info.missing[name] for name in names if name in info.missing]
    if missing:
        fail("%s: wheels are missing; nothing was packed:\n  %s" % (label, "\n  ".join(missing)))
    unlocked = [name for name in names if name not in info.wheels]
    if unlocked:
        fail("%s: no lock of editions holds %s; add it to editions/toolchain/runtime.in, or to the plugin's own requirements, and lock again" %
             (label, ", ".join(unlocked)))

def edition_target(ctx, packs):
    """Returns the target of an edition: its platform and Python.

    Fails when wheels that the edition reaches do not exist for its target, and names all of them.

    Args:
        ctx: the context of a rule with the attribute `target_wheels` (TARGET_ATTR).
        packs: PackInfo of all that the edition contains.

    Returns:
        struct(platform, python, environment, wheels, needs): two names, a File or None for this machine, a list of
        values with name, version and file, sorted by name, and a dictionary of name to the wheels that each one needs,
        which is empty for this machine.
    """
    if not ctx.attr.target_wheels:
        by_name = {wheel.name: wheel for wheel in depset(transitive = [pack.wheels for pack in packs]).to_list()}
        wheels = [by_name[name] for name in sorted(by_name)]
        return struct(platform = PYTHON_PLATFORM, python = PYTHON_VERSION, environment = None, wheels = wheels, needs = {})
    info = ctx.attr.target_wheels[TargetWheelsInfo]
    names = _reached(info, depset(transitive = [pack.roots for pack in packs]).to_list())
    _check(ctx.label, info, names)
    wheels = [info.wheels[name] for name in names]
    return struct(platform = info.platform, python = info.python, environment = info.environment, wheels = wheels, needs = info.needs)
