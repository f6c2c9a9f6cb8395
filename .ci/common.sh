# What the scripts beside this file share: where things are kept, how they speak, who is root.
# Sourced, never run.

CACHE=${SPYHOLE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/spyhole}
mkdir -p "$CACHE"
CACHE=$(cd "$CACHE" && pwd -P)
export LC_ALL=C.UTF-8

say() { printf '%s [%s] %s\n' "$(date +%H:%M:%S)" "${0##*/}" "$*" >&2; }
die() { say "error: $*"; exit 1; }

# In CI a piece that cannot be had is an error; on a developer's machine it is a line.
lack() {
    say "missing: $*"
    LACKING=1
}
finish() {
    if [ -n "${LACKING:-}" ] && [ -n "${CI:-}" ]; then die "something is missing (see above), and CI needs it"; fi
    say done
}

# Runs a command as root where that is possible; 127 says that it is not.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        sudo -n -- env DEBIAN_FRONTEND=noninteractive "$@"
    else
        return 127
    fi
}

# One run at a time in the cache.
hold_cache() {
    exec 9>"$CACHE/.lock"
    flock -n 9 || { say "another run is busy in $CACHE; waiting for it"; flock 9; }
}

# An interpreter with pip, which need not be the one that is installed for.
find_pip() {
    local python
    for python in /usr/bin/python3 $(cut -f3 "$CACHE/interpreters.list" 2>/dev/null | tac) python3; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null &&
            "$python" -m pip --version >/dev/null 2>&1; then
            echo "$python"
            return
        fi
    done
    return 1
}
