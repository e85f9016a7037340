#!/usr/bin/env bash
# Checks what must hold before a version is published, in addition to scripts/test-all.sh. Runs every check, then lists
# those that failed. Needs cargo-deny (scripts/install-tools.sh), cargo-semver-checks, whose build takes ten minutes of CPU
# time, and the database of advisories.
set -uo pipefail
cd "$(dirname "$0")/.."

not_ready=()

# check WHAT COMMAND...
check() {
    local what=$1
    shift
    echo
    echo "=== $what"
    "$@" || not_ready+=("$what")
}

for tool in deny semver-checks; do
    cargo "$tool" --version >/dev/null 2>&1 || {
        echo "release-check: no cargo-$tool; run: cargo install --locked cargo-$tool" >&2
        exit 1
    }
done
version=$(cargo pkgid --locked | sed 's/.*[#@]//')
last=$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null)

check "CHANGELOG.md says what is new in $version" grep "^## $version" CHANGELOG.md
check "Cargo.toml names the repository, where the README's links lead" grep '^repository = ' Cargo.toml
check "The package" scripts/test-package.sh
check "The registry would take it" cargo publish --dry-run --locked --quiet
check "Licences, duplicates, sources, advisories" cargo deny --locked check
if [ -n "$last" ]; then
    check "$version is the right number after $last" \
        cargo semver-checks --all-features --baseline-rev "$last"
else
    echo
    echo "No tag v* yet, so nothing to compare the API with"
fi

echo
[ ${#not_ready[@]} = 0 ] || {
    printf 'Not ready: %s\n' "${not_ready[@]}"
    exit 1
}
echo "$version is ready: cargo publish --locked, and git tag v$version"
