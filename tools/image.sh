#!/usr/bin/env bash
# Build the image of deploy/Containerfile with podman, buildah or docker: the first that works here.
#
#   tools/image.sh [WORDS...]            further words go to the build, such as --build-arg BASE_IMAGE=registry.example/python:3.11
#   tools/image.sh --debian [WORDS...]   make the base from Debian's packages, where no registry of images can be reached;
#                                        pip in the build is configured as the caller's (podman or buildah)
#   tools/image.sh --engine              print the program that would build
#
# Exit code 75 if nothing here can build an image, else the exit code of the build.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/pip_configuration.sh

SUITE=bookworm # the Debian whose Python is 3.11
BASE=localhost/bondx-base:$SUITE
CANNOT=75 # EX_TEMPFAIL

cannot() {
    echo "image: $1" >&2
    exit $CANNOT
}

# A docker whose daemon does not answer, or a podman that has no store, builds nothing.
find_engine() {
    for engine in podman buildah docker; do
        if "$engine" info >/dev/null 2>&1; then return; fi
    done
    cannot "no podman, buildah or docker that works is on this machine: install one (on Debian: apt-get install buildah), or start the daemon of docker"
}

build() { # WORDS... CONTEXT
    local format=()
    # The default format of podman and buildah has no place for the health check, and would lose it.
    if [ "$engine" != docker ]; then format=(--format docker); fi
    if [ "$engine" = buildah ]; then buildah build-using-dockerfile "${format[@]}" "$@"; else "$engine" build "${format[@]}" "$@"; fi
}

build_base() {
    [ "$engine" != docker ] || cannot "--debian needs podman or buildah, as a build of docker sees no folder of this machine"
    command -v mmdebstrap >/dev/null || cannot "--debian needs mmdebstrap: apt-get install mmdebstrap"
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    mmdebstrap --quiet --variant=minbase --dpkgopt=force-unsafe-io --include=python3,python3-venv "$SUITE" "$scratch/root.tar" ||
        cannot "mmdebstrap could not make the base: is a mirror of Debian reachable?"
    printf 'FROM scratch\nADD root.tar /\n' >"$scratch/Containerfile"
    build --quiet --tag "$BASE" "$scratch"
}

find_engine
words=()
case ${1:-} in
    --engine)
        echo "$engine"
        exit
        ;;
    --debian)
        shift
        build_base
        words=(--build-arg "BASE_IMAGE=$BASE")
        while read -r path; do words+=(--volume "$path:$path:ro"); done < <({ pip_files; pip_paths; } | sort -u)
        ;;
esac
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
echo "image: $engine builds bondx-console:$version"
build --file deploy/Containerfile --tag "bondx-console:$version" "${words[@]}" "$@" .
