#!/bin/sh
# Locks every .in file again: names, versions and hashes for all platforms and CPython 3.11 to 3.14, and no addresses.
# Needs uv on PATH; ./bazelw run //editions:update-lock runs this with the locked one, and is what people call. By hand it
# is for locks that are so broken that the build cannot read them. Options are those of `uv pip compile`. A later lock follows
# the ones before it, so that a wheel has one version everywhere.
set -eu
cd "$(dirname "$0")"

# lock NAME CONSTRAINTS OPTIONS
lock() {
    name=$1 constraints=$2
    shift 2
    # shellcheck disable=SC2086 # constraints are several words
    uv pip compile --quiet --no-config --universal --python-version 3.11 --only-binary :all: \
        --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
        $constraints "$@" "$name.in" -o "$name.lock"
    echo "$name.lock: $(grep -c == "$name.lock") wheels"
}

lock runtime "" "$@"
lock build "-c runtime.lock" "$@"
lock lint "-c runtime.lock -c build.lock" "$@"
lock npm "" "$@"
