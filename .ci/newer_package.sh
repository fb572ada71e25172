#!/usr/bin/env bash
# Unpacks a program of a later Debian suite, with its libraries, beside the ones of this machine, and prints its path.
#   .ci/newer_package.sh SUITE FOLDER PROGRAM PACKAGE...      PROGRAM is the path in the first package, such as usr/sbin/pgbouncer
set -euo pipefail
suite=$1 folder=$(realpath -m "$2") program=$3
shift 3
mkdir -p "$folder"/{lists/partial,cache/archives/partial,root}
# the machine's own mirror, with the name of the other suite
sources=/etc/apt/sources.list.d/debian.sources
grep -q '^Suites: [a-z]* ' "$sources"
awk -v suite="$suite" 'BEGIN { RS = ""; ORS = "\n\n" } !/-security/ { sub(/Suites: [^\n]*/, "Suites: " suite); print }' \
    "$sources" >"$folder/newer.sources"
touch "$folder/status"
options=(-qq -o "Dir::Etc::sourcelist=$folder/newer.sources" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$folder/lists"
    -o "Dir::State::status=$folder/status" -o "Dir::Cache=$folder/cache" -o APT::Sandbox::User=root)
apt-get "${options[@]}" update
(cd "$folder/cache" && apt-get "${options[@]}" download "$@" >/dev/null)
for package in "$folder"/cache/*.deb; do dpkg-deb -x "$package" "$folder/root"; done
libraries=$(dirname "$(find "$folder/root" -name 'ld-linux*' -path '*/lib/*' -type f | head -1)")
loader=$(find "$libraries" -name 'ld-linux*' -type f | head -1)
printf '#!/bin/sh\nexec "%s" --library-path "%s:/usr/lib/%s" "%s" "$@"\n' \
    "$loader" "$libraries" "$(basename "$libraries")" "$folder/root/$program" >"$folder/run"
chmod 755 "$folder/run"
echo "$folder/run"
