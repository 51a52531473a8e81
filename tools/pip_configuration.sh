# What pip on this machine is configured by, so that pip in another root installs from the same places. To be sourced.

# The files that configure the caller's pip.
pip_files() { { python3 -m pip config debug 2>/dev/null || true; } | sed -n 's/^ *\(.*\), exists: True$/\1/p' | sort -u; }

# The settings of pip and of proxies in the environment.
pip_environment() { env | grep -E '^(PIP_|https?_proxy=|no_proxy=|HTTPS?_PROXY=|NO_PROXY=)' || true; }

# The files and folders of this machine that pip's configuration names: certificates, constraints, wheel folders.
pip_paths() {
    { pip_files | xargs -r cat; pip_environment; } | { grep -oE '(file://)?/[^][:space:]"'\'',]+' || true; } | while read -r path; do
        case $path in
            file://*) path=$(dirname "${path#file://}") ;; # an index links to the files beside it
        esac
        if [ -e "$path" ] && [ "$path" != / ]; then echo "$path"; fi
    done | sort -u
}
