#!/usr/bin/env bash
# A plugin in a repository of its own, which has the server's archive and no checkout: written, tested, and in an edition
# with a plugin of another repository. With FLOVYN_LONG, the plugin also brings wheels that the server does not lock.
#   .ci/own.sh SCRATCH      the scratch folder is the caller's to remove
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(realpath "$1")/own
mkdir "$scratch"
trap 'leave' EXIT
leave() { for each in mine composed; do (cd "$scratch/$each" 2>/dev/null && in_workspace shutdown) || true; done; }

in_workspace() { ./bazelw --output_base="$scratch/base-${PWD##*/}" "$@"; }
build() { local command=$1; shift; in_workspace "$command" --color=no --curses=no "$@"; }

archive=$scratch/flovyn-server.zip
git archive --prefix=flovyn-server/ -o "$archive" HEAD

./bazelw run //plugins:new -- my-plugin --workspace "$scratch/mine" --server "$archive"
[ "$(grep -c . "$scratch/mine/WORKSPACE")" -le 12 ]
(cd "$scratch/mine" && build test //... && bazel-bin/mine.pex plugins | grep my-plugin)

./bazelw run //plugins:new -- gadgets --workspace "$scratch/gadgets" --server "$archive"
./bazelw run //editions:compose -- --out "$scratch/composed" --server "$archive" --no-build \
    --with worker-token --with "my-plugin=$scratch/mine" --with "gadgets=$scratch/gadgets"
(cd "$scratch/composed" && build build //:edition && bazel-bin/edition.pex verify &&
    test "$(bazel-bin/edition.pex plugins | cut -d' ' -f1 | tr '\n' ' ')" = "gadgets my-plugin worker-token ")

[ -n "${FLOVYN_LONG:-}" ] || exit 0

# an HTTP client whose wheels are native, and an edition for another machine; the folder of wheels has none of them
unset FLOVYN_WHEELHOUSE
cd "$scratch/mine"
echo aiohttp >requirements.in
build run @flovyn_server//editions:lock
sed -i 's|^flovyn_server_repositories()|flovyn_server_repositories(locks = ["//:requirements.lock"])|' WORKSPACE
sed -i 's|^        "@wheels//:falcon",|        "@wheels//:aiohttp",\n&|' my_plugin/BUILD.bazel
sed -i 's|^from core.plugin import|import aiohttp  # noqa: F401\n&|' my_plugin/plugin.py
sed -i 's|^    extras = |    platforms = ["linux-aarch64"],\n    pythons = ["3.12"],\n&|' BUILD.bazel
build test //... && build build //:mine-linux-aarch64-py3.12
for edition in mine mine-linux-aarch64-py3.12; do
    grep -q 'pkg:pypi/aiohttp@' bazel-bin/$edition.cdx.json
    grep -q requirements.lock bazel-bin/$edition.intoto.jsonl
done
bazel-bin/mine.pex verify
grep -q 'aiohttp-.*manylinux.*aarch64' bazel-bin/mine-linux-aarch64-py3.12.manifest.json

# a version that is not the server's is told with both, by the lock and, where the lock is made by hand, by the build
echo 'pydantic<2.12' >>requirements.in
build run @flovyn_server//editions:lock 2>"$scratch/log" && exit 1
grep "pydantic: requirements.in leads to 2.11.*, but the server's runtime.lock pins" "$scratch/log"
sed -i 's/^pydantic==[^ ]*/pydantic==2.0/; s/^attrs==[^ ]*/attrs==1.0/' requirements.lock
build build //:mine 2>"$scratch/log" && exit 1
grep -E 'attrs: .*(runtime|build)\.lock pins .*, but .*requirements\.lock pins|requirements\.lock pins .*, but .*build\.lock pins' "$scratch/log"
