#!/usr/bin/env bash
# Installs the unit below a folder, as docs/containers.md says, and lets systemd judge it: is it valid, how exposed is it,
# does its user come to be? Needs //editions:minimal, which it builds with ./bazelw; some seconds.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d "$PWD/.ci-scratch.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
EXPOSURE=15 # tenths, of 100; 12 with systemd 252

command -v systemd-analyze >/dev/null && command -v systemd-sysusers >/dev/null || {
    install=(apt-get install -y -qq --no-install-recommends systemd)
    "${install[@]}" >/dev/null 2>&1 || { apt-get update -qq && "${install[@]}" >/dev/null; }
}
./bazelw build //editions:minimal 2>"$scratch/log" || { cat "$scratch/log" >&2; exit 1; }

# the document's commands, below the folder
root=$scratch/root
mkdir -p "$root"/{bin,etc,usr/lib/systemd/system}
install -m 755 /dev/null "$root/bin/kill"
for unit in network-online.target multi-user.target sysinit.target basic.target shutdown.target; do
    printf '[Unit]\nDescription=%s\n' "$unit" >"$root/usr/lib/systemd/system/$unit"
done
python3 .ci/blocks.py docs/containers.md "sh systemd" | sed -E \
    -e "/^install/s| /(usr\|etc)| $root/\1|" \
    -e "s|^(systemd-sysusers\|systemctl)|\1 --root=$root|" >"$scratch/commands"
bash -euo pipefail "$scratch/commands"

echo "- the user is there, and the service starts with the machine"
grep -q '^flovyn-server:' "$root/etc/passwd"
[ -L "$root/etc/systemd/system/multi-user.target.wants/flovyn-server.service" ]
echo "- the unit is valid"
systemd-analyze verify --root="$root" flovyn-server.service
echo "- and may do little"
systemd-analyze security --offline=true --threshold=$EXPOSURE "$root/etc/systemd/system/flovyn-server.service" | tail -1
