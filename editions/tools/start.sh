# The script in front of an edition. The short way starts the copy that an earlier start unpacked. The long way looks for an
# interpreter that can run the file, checks the folder for the copy, and lets pex unpack. Each failure is one line.
set -eu

fail() { echo >&2 "${0##*/}: $1"; exit 1; }

# Settings of pex that are meant for another program: they would start something else than the server.
export PEX_IGNORE_RCFILES=1
unset PEX_DISABLE_VARIABLES PEX_EXTRA_SYS_PATH PEX_FORCE_LOCAL PEX_INHERIT_PATH PEX_INTERPRETER PEX_INTERPRETER_HISTORY \
    PEX_MODULE PEX_PATH PEX_SCRIPT PEX_TOOLS PEX_UNZIP PEX_VENV PEX_VENV_BIN_PATH

# The folder for unpacked editions. Without HOME, a shell would leave the `~` of pex's default as the name of a folder.
if [ -z "${PEX_ROOT:-}" ]; then
    [ -n "${HOME:-}" ] || HOME=$(eval "echo ~$(id -un 2>/dev/null)")
    case $HOME in /*) ;; *) fail "HOME is no folder's whole path; set PEX_ROOT to a folder for the unpacked edition" ;; esac
    PEX_ROOT=$HOME/.cache/pex
fi
case $PEX_ROOT in
/*) ;;
'~'*) fail "PEX_ROOT is $PEX_ROOT, and no shell replaced the ~; write the whole path" ;;
*) PEX_ROOT=$PWD/$PEX_ROOT ;;
esac
export PEX_ROOT
copy=$PEX_ROOT/$UNPACKED

if [ -z "${PEX_PYTHON:-}${PEX_PYTHON_PATH:-}" ]; then
    if [ -x "$copy/bin/python" ]; then
        # a copy that another user unpacked, or one on a read-only file system, notes no start
        [ -w "$copy/.last-access" ] || [ -w "$copy" ] || export _PEX_CACHE_SET_LAST_ACCESS=0
        export PEX="$0"
        exec "$copy/bin/python" -I "$copy" "$@"
    fi
    if [ -L "$copy/bin/python" ]; then
        # The interpreter of the copy is gone, and pex would try to start it for ever. Starts may meet here: one renames.
        mv "$copy" "$copy.gone.$$" 2>/dev/null || [ ! -L "$copy/bin/python" ] ||
            fail "the Python of the copy in $copy is gone or out of this user's reach; remove that folder, or set PEX_ROOT"
        rm -rf "$copy.gone.$$"
    fi
fi

PROBE='
import os, platform, sys

def system():
    if sys.platform == "darwin":
        return "macOS", platform.mac_ver()[0]
    try:
        name, version = os.confstr("CS_GNU_LIBC_VERSION").split()
    except (AttributeError, OSError, ValueError):
        return "no glibc", ""
    return name, version

def numbers(version):
    return [int(part) for part in version.split(".")[:2] if part.isdigit()]

python, target, floor = sys.argv[1:]
kind = platform.python_implementation() + (" free-threaded" if "t" in getattr(sys, "abiflags", "") else "")
name, version = system()
kernel = {"darwin": "macos"}.get(sys.platform, sys.platform.rstrip("0123456789"))
if (kernel, name) == ("linux", "no glibc"):
    kernel = "linux-musl"
here = "%s-%s" % (kernel, platform.machine())
found = "%s %d.%d on %s" % (kind, sys.version_info[0], sys.version_info[1], here)
wanted_name, _, wanted = floor.partition(" ")
if found != "CPython %s on %s" % (python, target):
    print(found)
    sys.exit(1)
if floor and (name != wanted_name or numbers(version) < numbers(wanted)):
    print("%s with %s" % (found, " ".join((name, version)).strip()))
    sys.exit(1)
print(getattr(sys, "_base_executable", None) or sys.executable)
'

python_exe='' found='' tried=''

# Asks one interpreter, each only once; keeps what it is called by itself, or what is wrong with it.
try() {
    [ -f "$1" ] && [ -x "$1" ] || return 0
    case "$tried:" in *":$1:"*) return 0 ;; esac
    tried="$tried:$1"
    if answer=$("$1" -sE -c "$PROBE" "$NEEDS_PYTHON" "$NEEDS_PLATFORM" "$NEEDS_SYSTEM" 2>/dev/null); then
        python_exe=$answer
    elif [ -n "$answer" ]; then
        # several of one kind are told once
        case $found in *"$answer ("*) ;; *) found="${found:+$found, }$answer ($1)" ;; esac
    fi
}

# Asks the interpreters of one name, in the order of the folders.
look() {
    case $1 in */*) try "$1"; return ;; esac
    _ifs=$IFS
    IFS=:
    for folder in ${PEX_PYTHON_PATH:-${PATH:-}}; do
        [ -n "$python_exe" ] || try "${folder:-.}/$1"
        [ -n "$python_exe" ] || try "$folder"
    done
    IFS=$_ifs
}

for name in ${PEX_PYTHON:-python$NEEDS_PYTHON python3 python}; do
    [ -n "$python_exe" ] || look "$name"
done
needs="CPython $NEEDS_PYTHON on $NEEDS_PLATFORM${NEEDS_SYSTEM:+ with $NEEDS_SYSTEM or newer}"
[ -n "$python_exe" ] ||
    fail "needs $needs; found ${found:-no ${PEX_PYTHON:-Python} on ${PEX_PYTHON_PATH:+PEX_PYTHON_}PATH that runs}"

# The folder must take the copy. A test file says more than permission bits, which read-only file systems do not change.
if [ ! -x "$copy/bin/python" ]; then
    advice="set PEX_ROOT to another folder, or give this user ($(id -un 2>/dev/null || id -u 2>/dev/null || echo its owner)) the right"
    test_file=$PEX_ROOT/.start.$$
    { mkdir -p "$PEX_ROOT" && echo '#!/bin/sh' >"$test_file" && chmod 700 "$test_file"; } 2>/dev/null || {
        rm -f "$test_file" 2>/dev/null || :
        fail "cannot write to $PEX_ROOT, where the edition is unpacked at its first start; $advice"
    }
    "$test_file" 2>/dev/null || {
        rm -f "$test_file"
        fail "$PEX_ROOT is on a file system that runs no programs (noexec); set PEX_ROOT to a folder on another one"
    }
    rm -f "$test_file"
    for part in "$PEX_ROOT"/*; do
        # another user began to fill the folder
        [ ! -e "$part" ] || [ -w "$part" ] ||
            fail "cannot write to $part, where the edition is unpacked at its first start; $advice"
    done
    free=$(df -Pk "$PEX_ROOT" 2>/dev/null | { read -r _ && read -r _ _ _ free _ && echo "$free"; }) || free=
    case $free in
    '' | *[!0-9]*) ;; # this df says nothing that can be read
    *)
        [ "$free" -ge "$NEEDS_KIB" ] ||
            fail "$PEX_ROOT has $((free / 1024)) MiB free, unpacking takes $((NEEDS_KIB / 1024)); make room or set PEX_ROOT"
        ;;
    esac
    "$python_exe" -sE -c 'import sys, zipfile; sys.exit(not zipfile.is_zipfile(sys.argv[1]))' "$0" ||
        fail "this file is not whole: its end is missing; copy or download it again"
fi

# the choice is made: pex would start every Python of the machine to make it again
export _PEX_SHOULD_EXIT_BOOTSTRAP_REEXEC=1
exec "$python_exe" -sE "$0" "$@"
