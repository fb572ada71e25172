"""The platforms and Pythons that editions can be built for from any host, and how targets and repositories are named.

What a platform's name means in wheel tags and environment markers stands in targets.py.
"""

PLATFORMS = ["linux-x86_64", "linux-aarch64", "linux-musl-x86_64", "linux-musl-aarch64", "macos-arm64"]

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]

def wrong_targets(platforms, pythons):
    """Says what is wrong with lists of platforms and Pythons.

    Args:
        platforms: names of platforms.
        pythons: CPython minor versions, such as "3.12".

    Returns:
        one sentence, or '' when the lists are right.
    """
    for kind, listed, known in [("platform", platforms, PLATFORMS), ("Python", pythons, PYTHONS)]:
        for name in listed:
            if name not in known:
                return "unknown %s \"%s\"; known are %s" % (kind, name, ", ".join(known))
            if len([other for other in listed if other == name]) > 1:
                return "%s \"%s\" is listed twice" % (kind, name)
    return ""

def targets(platforms, pythons):
    """Every pair of a platform and a Python; a list that is empty beside one that is not means all of its kind."""
    if not platforms and not pythons:
        return []
    return [(platform, python) for platform in platforms or PLATFORMS for python in pythons or PYTHONS]

def wrong_budget(max_size_mb):
    """Says what is wrong with an edition's size budget.

    Args:
        max_size_mb: one number for all platforms, a dictionary of platform to number, or None.

    Returns:
        one sentence, or '' when the budget is right.
    """
    if type(max_size_mb) != "dict":
        return ""
    wrong = wrong_targets(max_size_mb.keys(), [])
    return "max_size_mb: " + wrong if wrong else ""

def budget(max_size_mb, platform):
    """The size budget of one platform as text, or '' for none.

    Args:
        max_size_mb: one number for all platforms, a dictionary of platform to number, or None.
        platform: the platform.

    Returns:
        a decimal number of MiB, or ''.
    """
    size = max_size_mb.get(platform) if type(max_size_mb) == "dict" else max_size_mb
    return "" if size == None else str(size)

def target_suffix(platform, python):
    """The part of an edition's target that tells its platform and Python, such as 'linux-aarch64-py3.12'."""
    return "%s-py%s" % (platform, python)

def wheels_of(platform, python, host_platform, host_python):
    """The label of the wheels of a platform and Python.

    Those of this machine stand in @wheels, which tests and tools use as well; they are fetched once.

    Args:
        platform: the platform.
        python: the CPython minor version.
        host_platform: the platform of this machine.
        host_python: the CPython minor version of this machine.

    Returns:
        a label; None for a machine whose platform is none of PLATFORMS, for which pip chooses.
    """
    if platform not in PLATFORMS:
        return None
    if (platform, python) == (host_platform, host_python):
        return Label("@wheels//:wheels")
    return Label("@%s//:wheels" % wheels_repository(platform, python))

def wheels_repository(platform, python):
    """The repository of a platform's and Python's wheels, such as 'wheels_linux_aarch64_py312'."""
    return "wheels_%s_py%s" % (platform.replace("-", "_"), python.replace(".", ""))

def interpreter_repository(platform, python):
    """The repository of a platform's and Python's interpreter, such as 'interpreter_linux_aarch64_py312'."""
    return wheels_repository(platform, python).replace("wheels_", "interpreter_")
