#!/usr/bin/env bash
# Builds an image with a builder that needs no daemon, from nothing to Bazel's last action, on a base made here of this
# distribution's packages; then runs it. Needs root, as a runtime does.
#   .ci/container.sh      needs //editions:dev, which it builds with ./bazelw, for its PostgreSQL; about three minutes
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d "$PWD/.ci-scratch.XXXXXX")
trap 'leave' EXIT
leave() {
    buildah_ rm --all >/dev/null 2>&1 || true
    umount -R "$scratch"/storage/overlay* >/dev/null 2>&1 || true
    rm -rf "$scratch"
}

took() { echo "- $1 ($((SECONDS - since)) s)"; since=$SECONDS; }
since=$SECONDS

packages=(buildah mmdebstrap netavark) # the last is what newer buildahs look for, even for builds without a network
dpkg-query -W "${packages[@]}" >/dev/null 2>&1 || {
    install=(apt-get install -y -qq --no-install-recommends "${packages[@]}")
    "${install[@]}" >/dev/null 2>&1 || { apt-get update -qq && "${install[@]}" >/dev/null; }
}

echo '{"default": [{"type": "insecureAcceptAnything"}]}' >"$scratch/policy.json"
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=overlay
mkdir "$scratch"/{lower,upper,work,merged}
# within a container, overlays often cannot be stacked; copies always can
if mount -t overlay -o "lowerdir=$scratch/lower,upperdir=$scratch/upper,workdir=$scratch/work" overlay "$scratch/merged" 2>/dev/null; then
    umount "$scratch/merged"
else
    STORAGE_DRIVER=vfs
fi
buildah_() {
    local command=$1
    shift
    command buildah --root "$scratch/storage" --runroot "$scratch/run" "$command" "$@"
}
quietly() { "$@" >"$scratch/log" 2>&1 || { tail -40 "$scratch/log" >&2; exit 1; }; }

quietly ./bazelw build //editions:dev
FLOVYN_WHEELHOUSE=$(./bazelw info output_base 2>/dev/null)/external/wheels/whl
took "the tools are here"

# the release and the mirror that this machine's own packages come from
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' | awk -v s="$suite" '$2 == s {print $1; exit}')
quietly mmdebstrap --variant=apt --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --include=python3,ca-certificates "$suite" "$scratch/base.tar" "$mirror"
quietly buildah_ from --name base scratch
quietly buildah_ add base "$scratch/base.tar" /
quietly buildah_ commit --signature-policy "$scratch/policy.json" base localhost/base
took "a base image of $suite"

mkdir "$scratch/wheels" && cp "$FLOVYN_WHEELHOUSE"/*.whl "$scratch/wheels"
# the document's command, with what differs here: a step without privileges may lower its limits only, and what
# builders ask for by themselves (as much as the kernel knows processes) can be more than this machine's own
buildah() {
    [ "$1" = build ] || { command buildah "$@"; return; }
    buildah_ build --signature-policy "$scratch/policy.json" --format docker --layers=false --pull-never \
        --ulimit nofile=4096:4096 --ulimit nproc=4096:4096 \
        --build-arg BASE_IMAGE=localhost/base --build-context wheels="$scratch/wheels" "${@:2}"
}
python3 .ci/blocks.py docs/containers.md "sh image" >"$scratch/commands"
quietly . "$scratch/commands"
took "an image with a free choice of plugins"

quietly buildah_ from --name run --pull-never localhost/flovyn-server
buildah_ inspect --type image localhost/flovyn-server >"$scratch/image.json"
# by Python, not by the script in front of the file, which takes PEX_INTERPRETER away
PEX_INTERPRETER=1 "${FLOVYN_PYTHON:-python3}" bazel-bin/editions/dev.pex .ci/container.py "$(buildah_ mount run)" "$scratch/image.json"
took "it serves as an ordinary user on a read-only root, and its health check is right"
