#!/bin/sh
# Check BondX's system requirements; `make` runs this before it installs anything.
#
#   tools/check_system.sh [PYTHON] [--strict] [COMMAND...]
#
# As root with apt, it installs missing packages; elsewhere it prints the command that installs them. Exit code 2 if a
# requirement is still missing. A missing optional library is a warning, or an error with --strict. Each COMMAND is also
# required, and comes in the package of the same name, or in the one that `package_of` names.
set -u
cd "$(dirname "$0")/.." || exit 2

python=
is_strict=
commands=
for word in "$@"; do
    case $word in
        --strict) is_strict=yes ;;
        */* | python*) python=$word ;;
        *) commands="$commands $word" ;;
    esac
done

# Print the name of a package on this system.
package() { # DEBIAN FEDORA
    if command -v dnf >/dev/null; then echo "$2"; else echo "$1"; fi
}

# Print the package that a command comes in.
package_of() { # COMMAND
    case $1 in
        pdftoppm) echo poppler-utils ;;
        *) echo "$1" ;;
    esac
}

look() {
    problems=
    required=
    optional=
    for name in $commands; do
        command -v "$name" >/dev/null || require "$name" "$(package_of "$name")" "$(package_of "$name")"
    done
    interpreter=${python:-$(command -v python3.11 || command -v python3)}
    if ! "${interpreter:-false}" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        if [ -n "$python" ]; then
            echo "BondX needs Python 3.11 or newer, and $python is older; use: make PYTHON=/path/to/python3.11" >&2
            exit 2
        fi
        require "Python 3.11 or newer" "python3.11 python3.11-venv" python3.11
        return
    fi
    if ! "$interpreter" -c 'import ensurepip' 2>/dev/null && ! "$interpreter" -c 'import virtualenv' 2>/dev/null; then
        version=$("$interpreter" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        require "Python's venv module" "python$version-venv" "python$version"
    fi
    libraries=$("$interpreter" -I core/system_libraries.py)
    while read -r soname debian fedora need; do
        if [ -z "$soname" ]; then
            continue
        elif [ "$need" = required ] || [ -n "$is_strict" ]; then
            require "$soname" "$debian" "$fedora"
        else
            problems="$problems, $soname"
            optional="$optional $(package "$debian" "$fedora")"
        fi
    done <<LIBRARIES
$libraries
LIBRARIES
}

require() { # WHAT DEBIAN FEDORA
    problems="$problems, $1"
    required="$required $(package "$2" "$3")"
}

look
[ -n "$problems" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing missing system packages:$required$optional"
    # shellcheck disable=SC2086 # a list of packages
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        $required $optional; } >/dev/null
    look
    [ -n "$problems" ] || exit 0
fi

if command -v dnf >/dev/null; then installer="dnf install"; else installer="apt-get install"; fi
echo "missing on this system: ${problems#, }" >&2
echo "install with: sudo $installer$required$optional" >&2
[ -z "$required" ] || exit 2
echo "continuing without it: LightGBM cannot load, so scikit-learn trains in its place" >&2
