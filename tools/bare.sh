#!/usr/bin/env bash
# Build a bare Debian root with exactly the README's requirements, and run the README's commands in it.
#
#   tools/bare.sh                        make run, then make test
#   tools/bare.sh run ARGS='--epochs 3'  one command; further words go to make
#
# The committed tree is cloned into the root, and pip gets the caller's configuration. Exit code 75 if the root cannot be
# built (no mmdebstrap, no mirror, no right to mount), else the exit code of the first command that fails.
set -euo pipefail
cd "$(dirname "$0")/.."

SUITE=bookworm # the Debian whose Python is 3.11
ASKED=python3,python3-pip,python3-venv,make,git,tmux
CANNOT=75 # EX_TEMPFAIL

cannot() {
    echo "bare: $1" >&2
    exit $CANNOT
}

source tools/pip_configuration.sh

# In its own mount namespace: its mounts are invisible outside, and disappear with the commands.
inside() { # ROOT MAKE-ARGUMENTS...
    local root=$1
    shift
    mount --rbind /dev "$root/dev"
    mount -t proc proc "$root/proc"
    pip_paths | while read -r path; do
        if [ -d "$path" ]; then
            mkdir -p "$root$path"
            mount --bind -o ro "$path" "$root$path"
        fi
    done
    mapfile -t settings < <(pip_environment)
    env -i "${settings[@]}" HOME="$HOME" LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        chroot "$root" make --no-print-directory -C /bondx "$@" </dev/null
}

build() { # ROOT
    # The root is temporary, so nothing is synced: on a busy disk, syncing takes most of the time.
    timeout 600 mmdebstrap --quiet --variant=minbase --dpkgopt=force-unsafe-io --include="$ASKED" "$SUITE" "$1" || return
    cp /etc/hosts "$1/etc/hosts"
    mkdir -p "$1$HOME"
    { pip_files; pip_paths; } | while read -r path; do
        if [ -f "$path" ]; then
            mkdir -p "$1$(dirname "$path")"
            cp -L "$path" "$1$path"
        fi
    done
    git clone --quiet --no-hardlinks . "$1/bondx"
}

if [ "${1:-}" = --inside ]; then
    shift
    inside "$@"
    exit
fi

[ "$EUID" = 0 ] || cannot "run it as root: it creates a root folder with devices and mounts"
command -v mmdebstrap >/dev/null ||
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends mmdebstrap; } >/dev/null 2>&1 ||
    cannot "mmdebstrap is not installed and cannot be installed"
unshare --mount true 2>/dev/null || cannot "this account may not mount file systems"
[ -z "$(git status --porcelain)" ] || echo "bare: uncommitted changes are left out" >&2

scratch=$(mktemp -d)
trap 'rm -rf --one-file-system "$scratch"' EXIT
started=$SECONDS
build "$scratch/root" || cannot "mmdebstrap could not build the root: is a mirror reachable?"
echo "bare: Debian $SUITE with $ASKED, $((SECONDS - started)) s"

type_command() {
    local started=$SECONDS code=0
    echo "bare: make $*"
    unshare --mount "$0" --inside "$scratch/root" "$@" || code=$?
    echo "bare: make $*: exit code $code, $((SECONDS - started)) s"
    return $code
}

if (($#)); then
    type_command "$@"
else
    type_command run
    type_command test
fi
