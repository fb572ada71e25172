#!/usr/bin/env bash
# A remote cache on this machine, a stock web server that takes PUT: a second checkout on an empty disk takes its actions from
# it, with the same bytes, and a stamped build does not spoil it.
#   .ci/cache.sh SCRATCH TARGET…      the scratch folder is the caller's to remove
set -euo pipefail
cd "$(dirname "$0")/.."
here=$PWD
scratch=$(realpath "$1")/cache
shift

command -v nginx >/dev/null || apt-get install -y -qq --no-install-recommends nginx-light >/dev/null
mkdir -p "$scratch"/{served,temporary}
cat >"$scratch/nginx.conf" <<END
user root;
daemon off;
pid $scratch/nginx.pid;
error_log $scratch/error.log;
events {}
http {
    access_log off;
    client_body_temp_path $scratch/temporary;
    client_max_body_size 1g;
    server {
        listen 127.0.0.1:18980;
        root $scratch/served;
        location / {
            dav_methods PUT;
            create_full_put_path on;
        }
    }
}
END
nginx -p "$scratch" -c "$scratch/nginx.conf" &
server=$!
trap 'leave' EXIT
leave() {
    for each in first second; do (cd "$scratch/$each" && ./bazelw --output_base="$scratch/base-$each" shutdown) >/dev/null 2>&1 || true; done
    kill "$server"
}

# build CHECKOUT OPTION…: builds the targets in a clone with an output base of its own.
build() {
    local checkout=$1
    shift
    [ -d "$scratch/$checkout" ] || git clone -q "$here" "$scratch/$checkout"
    (cd "$scratch/$checkout" && ./bazelw --output_base="$scratch/base-$checkout" build --color=no --curses=no \
        --remote_cache=http://127.0.0.1:18980 "$@") 2>&1 | tee "$scratch/log"
}

digests() { (cd "$scratch/$1/bazel-bin/editions" && sha256sum ./*.pex ./*.json ./*.jsonl); }

build first "$@"
build first --config=release "$@" # a commit is told here, and nothing of it may reach the second checkout
build first "$@" && digests first >"$scratch/first.sums"
build second "$@" && digests second >"$scratch/second.sums"
cmp "$scratch/first.sums" "$scratch/second.sums"

# of the actions that are not Bazel's own, almost all came from the cache: "12 processes: 9 remote cache hit, 3 internal."
python3 - "$(grep -oE '[0-9]+ processes: .*' "$scratch/log" | tail -1)" <<'END'
import re, sys
counts = {kind: int(count) for count, kind in re.findall(r"(\d+) ([a-z][a-z -]*)", sys.argv[1].partition(":")[2])}
actions = sum(count for kind, count in counts.items() if kind != "internal")
hits = counts.get("remote cache hit", 0)
print(f"{hits} of {actions} actions came from the remote cache")
sys.exit(hits < 0.95 * actions)
END
