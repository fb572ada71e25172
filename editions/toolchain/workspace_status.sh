#!/bin/sh
# Tells stamped builds (--config=release) the commit, its date and whether the tree was changed.
# STABLE_ keys: Bazel runs what reads them again when they change. Never the clock.
commit=$(git rev-parse --verify -q HEAD 2>/dev/null) || exit 0
dirty=false
git diff --quiet HEAD -- 2>/dev/null || dirty=true
echo "STABLE_COMMIT $commit"
echo "STABLE_COMMIT_DATE $(TZ=UTC git show -s --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ HEAD)"
echo "STABLE_DIRTY $dirty"
