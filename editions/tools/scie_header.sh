# The rest of the script in front of an edition that carries its interpreter: that one's archive and the PEX follow. The
# first start unpacks both below FLOVYN_HOME, where each gets its final name when it is whole; later starts only look.
set -eu
fail() { echo >&2 "${0##*/}: $1"; exit 1; }
whole() { case $1 in /*) echo "$1" ;; *) echo "$PWD/$1" ;; esac; }

FLOVYN_SCIE=$(whole "$0")
home=${FLOVYN_HOME:-${XDG_CACHE_HOME:+$XDG_CACHE_HOME/flovyn}}
if [ -z "$home" ]; then
    [ -n "${HOME:-}" ] || HOME=$(eval "echo ~$(id -un 2>/dev/null)")
    case $HOME in /*) ;; *) fail "HOME is no folder's whole path; set FLOVYN_HOME to a folder for the unpacked files" ;; esac
    home=$HOME/.cache/flovyn
fi
case $home in '~'*) fail "the folder for unpacked files is $home, and no shell replaced the ~; write the whole path" ;; esac
home=$(whole "$home")
bin=$home/interpreters/$PYTHON_SHA256/python/bin
pex=$home/editions/$PEX_SHA256/$PEX_NAME

# Before anything is looked at: `cache prune` leaves alone what was started lately. A folder that is not there has no mark.
for folder in "${bin%/python/bin}" "${pex%/*}"; do { echo >"$folder/.last-start"; } 2>/dev/null || :; done

# The final name cannot be taken twice: a folder is renamed to one that does not exist or is empty, or not at all.
keep() { mv "$new/$2" "$home/$1/" 2>/dev/null || [ -x "$3" ] || fail "$home/$1/$2 is not whole; remove it"; }
damaged() { fail "cannot unpack its $1 into $home: the disk is full or $FLOVYN_SCIE is damaged${2:+ ($2)}"; }
archive() { tail -c "+$PYTHON_START" "$FLOVYN_SCIE" | head -c "$PYTHON_SIZE"; }

if [ ! -x "$bin/$PYTHON" ] || [ ! -x "$pex" ]; then
    for tool in chmod find gzip head mkdir mktemp mv rm tail tar; do
        command -v "$tool" >/dev/null || fail "needs $tool on PATH to unpack its interpreter"
    done
    { mkdir -p "$home/interpreters" "$home/editions" && new=$(mktemp -d "$home/.new.XXXXXX"); } 2>/dev/null ||
        fail "cannot write into $home; set FLOVYN_HOME to a folder of this user"
    trap 'rm -rf "$new"' EXIT
    trap 'exit 1' HUP INT TERM
    { echo '#!/bin/sh' >"$new/runs" && chmod 700 "$new/runs"; } 2>/dev/null || damaged interpreter
    "$new/runs" 2>/dev/null ||
        fail "$home is on a file system that runs no programs (noexec); set FLOVYN_HOME to a folder on another one"
    find "$home" -maxdepth 1 -name '.new.*' -mmin +60 -exec rm -rf {} + 2>/dev/null || :  # of killed starts
    mkdir "$new/$PYTHON_SHA256" "$new/$PEX_SHA256"
    why=$(archive | gzip -t 2>&1) || damaged interpreter "${why##*: }"  # some tar do not ask for gzip's checksum
    why=$(archive | tar -xzof - -C "$new/$PYTHON_SHA256" 2>&1) || damaged interpreter "${why##*: }"
    "$new/$PYTHON_SHA256/python/bin/$PYTHON" -IS -c '' 2>/dev/null || fail "its interpreter does not run on this machine"
    keep interpreters "$PYTHON_SHA256" "$bin/$PYTHON"
    tail -c "+$PEX_START" "$FLOVYN_SCIE" >"$new/$PEX_SHA256/$PEX_NAME" 2>/dev/null && "$bin/$PYTHON" -IS -c \
        'import hashlib, sys; sys.exit(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest() != sys.argv[2])' \
        "$new/$PEX_SHA256/$PEX_NAME" "$PEX_SHA256" || damaged edition
    chmod 755 "$new/$PEX_SHA256/$PEX_NAME"
    keep editions "$PEX_SHA256" "$pex"
    rm -rf "$new"
fi
# Environments that another interpreter made of the same PEX are not this one's: they lie in another folder.
PEX_ROOT=$home/pex/$PYTHON_SHA256
PATH=$bin${PATH:+:${PATH#"$bin:"}}
export FLOVYN_SCIE PATH PEX_ROOT
unset PEX_PYTHON PEX_PYTHON_PATH
exec "$pex" "$@"
