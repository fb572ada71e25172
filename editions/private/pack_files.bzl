"""`source_argument`: a source file as the tools that lay sources out take it."""

def source_argument(file):
    """`<path from its workspace's root>=<path>`."""
    return "%s=%s" % (file.short_path, file.path)
