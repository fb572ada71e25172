# The rest of the script in front of an edition: the first start looks for an interpreter that can run the file. Every
# candidate is asked, so that a wrong one ends in one line that names it and not in a failing import.
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
here = "%s-%s" % ({"darwin": "macos"}.get(sys.platform, sys.platform.rstrip("0123456789")), platform.machine())
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
if [ -n "$python_exe" ]; then
    # the choice is made: pex would start every Python of the machine to make it again
    export _PEX_SHOULD_EXIT_BOOTSTRAP_REEXEC=1
    exec "$python_exe" -sE "$0" "$@"
fi
needs="CPython $NEEDS_PYTHON on $NEEDS_PLATFORM${NEEDS_SYSTEM:+ with $NEEDS_SYSTEM or newer}"
echo >&2 "${0##*/}: needs $needs; found ${found:-no ${PEX_PYTHON:-Python} on ${PEX_PYTHON_PATH:+PEX_PYTHON_}PATH that runs}"
exit 1
