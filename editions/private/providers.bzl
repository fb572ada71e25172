"""The providers that rules pass on: wheels, the files that an edition packs, plugins and tools."""

WheelInfo = provider(
    doc = "A locked wheel.",
    fields = {
        "name": "Canonical name, as in the lock.",
        "version": "Version, as in the lock.",
        "file": "The .whl file.",
        "tree": "The unpacked wheel, a directory with site-packages and bin.",
    },
)

PackInfo = provider(
    doc = "The files that an edition with this target packs.",
    fields = {
        "sources": "depset of Files: Python modules and data, the target's own and those of its deps.",
        "imports": "depset of folders below which a file's import path begins, as '<workspace>/<folder>'.",
        "wheels": "depset of WheelInfo, of the target and its deps, for this machine.",
        "roots": "depset of names of the wheels that sources name as deps; what those need depends on the platform.",
        "stubs": "depset of Files: generated modules and type stubs, for editors and type checkers; never packed as such.",
    },
)

TargetWheelsInfo = provider(
    doc = "The locked wheels of one platform and Python.",
    fields = {
        "platform": "The platform, such as 'linux-aarch64'.",
        "python": "The CPython minor version, such as '3.12'.",
        "environment": "File: markers and tags of the target, as pex reads them.",
        "wheels": "Dictionary of name to struct(name, version, file).",
        "needs": "Dictionary of name to list of names: the wheels that each one needs there.",
        "missing": "Dictionary of name to what is missing, in words.",
        "excluded": "List of names of locked wheels that the target has no use for.",
    },
)

InterpreterInfo = provider(
    doc = "A relocatable CPython that an edition can carry.",
    fields = {
        "archive": "File: a .tar.gz of a folder 'python'; None when it is missing.",
        "missing": "What is missing and what to do, in words; '' when nothing is.",
        "python": "The CPython minor version, such as '3.12'.",
    },
)

ServerPluginInfo = provider(
    doc = "A plugin that editions can list.",
    fields = {
        "name": "The plugin's name, such as 'worker-token'.",
        "entry": "'module:Class' of the plugin.",
        "manifest": "File: <name>.plugin.json, written only when every check of the plugin passed.",
        "contributions": "File: <name>.contributions.json, what the plugin itself says that it adds.",
    },
)

NpmInfo = provider(
    doc = "Files of an npm package that an edition may contain.",
    fields = {
        "files": "List of Files: those for browsers, and the texts of the licence.",
        "facts": "File: name, version, integrity and licence of the package, as JSON.",
    },
)

PyToolInfo = provider(
    doc = "A Python program that actions run.",
    fields = {
        "module": "The module to run.",
        "files": "depset of Files: its sources and the wheels that it imports.",
        "path": "List of folders for PYTHONPATH, relative to the execution root.",
    },
)

def pack_info(sources = [], imports = [], wheels = [], roots = None, stubs = [], deps = []):
    """A PackInfo of a target's own files, wheels and stubs and the PackInfo of its deps; roots default to those of deps."""
    return PackInfo(
        sources = depset(sources, transitive = [dep.sources for dep in deps]),
        imports = depset(imports, transitive = [dep.imports for dep in deps]),
        wheels = depset(wheels, transitive = [dep.wheels for dep in deps]),
        roots = depset(roots) if roots != None else depset(transitive = [dep.roots for dep in deps]),
        stubs = depset(stubs, transitive = [dep.stubs for dep in deps]),
    )

def merge_runfiles(runfiles, targets):
    """runfiles.merge_all over targets, which Bazel 4 lacks."""
    for target in targets:
        runfiles = runfiles.merge(target[DefaultInfo].default_runfiles)
    return runfiles

def repository_of(label):
    """The name of a label's repository, as folders are named; empty for the main one. Label.workspace_name is going away."""
    return label.workspace_root.rpartition("/")[2]
