#!/usr/bin/env bash
# The flake, evaluated and built: does Nix write the edition that Bazel writes? nixpkgs is the stub of tests/nix/stub, since
# here nothing can be fetched from a forge; docs/nix.md says what that cannot show.
#   .ci/nix.sh            needs //editions:minimal, which it builds with ./bazelw; about a minute
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d "$PWD/.ci-scratch.XXXXXX")
trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT

command -v nix >/dev/null || {
    install=(apt-get install -y -qq --no-install-recommends nix-bin)
    "${install[@]}" >/dev/null 2>&1 || { apt-get update -qq && "${install[@]}" >/dev/null; }
}

# a store of its own: no root, no daemon, nothing left behind
export NIX_STORE_DIR=$scratch/nix/store NIX_STATE_DIR=$scratch/nix/var NIX_LOG_DIR=$scratch/nix/log NIX_REMOTE=
export XDG_CACHE_HOME=$scratch/cache NIX_CONFIG="
experimental-features = nix-command flakes
sandbox = false
substituters =
build-users-group =
flake-registry =
warn-dirty = false"

flake=path:$scratch/source
stubbed() { command nix "$@" --override-input nixpkgs "path:$scratch/stub" --no-write-lock-file; }
# the document's commands, against the stub; arguments of the program that is run come after the options
nix() {
    local options=(--override-input nixpkgs "path:$scratch/stub" --no-write-lock-file)
    case " $* " in *" -- "*) command nix "${@:1:2}" "${options[@]}" "${@:3}" ;; *) command nix "$@" "${options[@]}" ;; esac
}
fail() { echo "$*" >&2; exit 1; }

./bazelw build //editions:minimal 2>"$scratch/log" || { cat "$scratch/log" >&2; exit 1; }
FLOVYN_WHEELHOUSE=$(./bazelw info output_base 2>/dev/null)/external/wheels/whl
export FLOVYN_WHEELHOUSE # in place of the network, for Nix as for Bazel
mapfile -t probed < <("${FLOVYN_PYTHON:-python3}" editions/toolchain/probe_python.py)
python=${probed[0]} version=${probed[1]}
bazel=$(command -v "${BAZEL:-bazel}" || command -v bazelisk)
key=$(uname -m)-linux-python$version

mkdir "$scratch/source"
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$scratch/source"
# a repository of its own, or `.#` would mean the one around it
git -C "$scratch/source" init -q && git -C "$scratch/source" add -A
git -C "$scratch/source" -c user.name=ci -c user.email=ci@localhost commit -qm source
cp -r tests/nix/stub "$scratch/stub"
cat >"$scratch/stub/host.json" <<END
{"python3": "$python", "pythonVersion": "$version", "bazel": "$bazel", "bazelVersion": "$(cat .bazelversion)"}
END

echo "- the menu's editions are the flake's"
stubbed flake show "$flake" >/dev/null 2>&1 || stubbed flake show "$flake"
names=$(stubbed eval --json "$flake#packages.$(uname -m)-linux" --apply builtins.attrNames 2>/dev/null)
python3 - "$names" <<'END'
import json, sys
menu = json.load(open("editions/editions.json"))["editions"]
names = set(json.loads(sys.argv[1]))
sys.exit(names != {*menu, "default", "wheelhouse"} and f"the flake has {sorted(names)}, the menu {sorted(menu)}")
END

echo "- a lock whose wheels nobody has recorded says what to do"
echo '{}' >"$scratch/source/nix/wheelhouse-hashes.json"
stubbed eval "$flake#wheelhouse.drvPath" >/dev/null 2>"$scratch/log" || { cat "$scratch/log" >&2; exit 1; }
grep -q "nix build .#wheelhouse" "$scratch/log" || fail "no word about the missing hash: $(cat "$scratch/log")"
entry=$(sed -n "s/ *\"$key\": {\"locks\": \"\([0-9a-f]*\)\".*/\1/p" "$scratch/log" | head -1)
hash=$(command nix hash path "$FLOVYN_WHEELHOUSE")
python3 - "$key" "$entry" "$hash" <<'END' || fail "nix/wheelhouse-hashes.json: the hash for $key is not that of the locked wheels, $hash"
import json, sys
key, locks, hash_ = sys.argv[1:]
recorded = json.load(open("nix/wheelhouse-hashes.json")).get(key, {})
sys.exit(recorded.get("locks") == locks and recorded["hash"] != hash_)
END

echo "- every output evaluates"
(cd "$scratch/source" && python3 nix/record_hash.py --override-input nixpkgs "path:$scratch/stub" --no-write-lock-file) >"$scratch/log" 2>&1 ||
    { cat "$scratch/log" >&2; exit 1; }
grep -q "$hash" "$scratch/source/nix/wheelhouse-hashes.json" || fail "nix/record_hash.py did not record $hash: $(cat "$scratch/log")"
stubbed flake check "$flake" --no-build >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; exit 1; }

echo "- the commands of docs/nix.md build and start an edition, and check it and the module; the shell builds"
python3 .ci/blocks.py docs/nix.md sh | sed "s/x86_64-linux/$(uname -m)-linux/g" >"$scratch/commands"
(cd "$scratch/source" && set -e && . "$scratch/commands" && stubbed build "$flake#devShells.$(uname -m)-linux.default" --no-link) \
    >"$scratch/log" 2>&1 || { tail -50 "$scratch/log" >&2; exit 1; }
grep -q "edition minimal" "$scratch/log" || fail "nix run did not start the edition: $(tail -5 "$scratch/log")"

echo "- it is the file that Bazel writes, and so are its manifest, SBOM and provenance"
python3 .ci/members.py bazel-bin/editions/minimal.pex "$scratch/source/result/share/flovyn-server/minimal.pex"
diff bazel-bin/editions/minimal.SHA256SUMS "$scratch/source/result/share/flovyn-server/minimal.SHA256SUMS"
(cd "$scratch/source/result/share/flovyn-server" && sha256sum -c minimal.SHA256SUMS)
