# Functions that install Chroma's other clients into the cache folder. Scripts read this file with `source`.
# shellcheck shell=bash

python=${PYTHON:-python3}
cache=${CHROMA_BLOCKING_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/chroma-blocking}/clients
mkdir -p "$cache"
# The exit status if this machine cannot have what a function or script installs.
not_here=3

# install_once FILE FOLDER COMMAND...: unless the folder exists, runs the command, which installs what the file lists into
# its last argument. Returns 3 if the registry cannot be reached, and 1 after another failure; standard error says why.
install_once() {
    local file=$1 folder=$2 output new
    shift 2
    [ ! -d "$folder" ] || return 0
    echo "Installing $file into $folder" >&2
    new=$(mktemp -d "$folder.XXXXXX")
    if output=$("$@" "$new" 2>&1); then
        # Another process may have been faster.
        [ -d "$folder" ] || mv "$new" "$folder"
        rm -rf "$new"
        return 0
    fi
    rm -rf "$new"
    if grep -qE 'connection broken by|Max retries exceeded|EAI_AGAIN|ENOTFOUND|ECONN|ETIMEDOUT|ENETUNREACH' <<<"$output"; then
        echo "$file cannot be installed, since its registry cannot be reached" >&2
        return $not_here
    fi
    echo "$file cannot be installed: $output" >&2
    return 1
}

# checksum FILE: prints the checksum of a file
checksum() {
    cksum <"$1" | tr -d ' '
}

# from_pypi FILE: installs the packages that a file lists, and prints their folder. Returns as install_once.
from_pypi() {
    local version folder
    if ! version=$("$python" -c 'import sys; print(*sys.version_info[:2], sep=".")' 2>/dev/null) ||
        ! "$python" -m pip --version >/dev/null 2>&1; then
        echo "$1 cannot be installed, since $python cannot be run, or has no pip" >&2
        return $not_here
    fi
    folder=$cache/python-$version-$(checksum "$1")
    install_once "$1" "$folder" "$python" -m pip install --quiet --no-deps --require-hashes --only-binary :all: --retries 2 \
        --no-warn-script-location --requirement "$1" --target || return
    echo "$folder"
}
