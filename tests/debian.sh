#!/bin/sh
# Unpacks Debian packages, with the libraries that this machine lacks, for tests that talk to
# real servers. Nothing is installed and no service is touched; root is not needed.
#
#   tests/debian.sh postfix fakeroot
#
# Prints the directory they are unpacked in (its usr/, etc/ …). What is there already is not
# fetched again. Fails, and says why, where there is no apt or no network.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
place=${CARGO_TARGET_DIR:-$here/target}/debian
root=$place/root
done=$place/done

fail() {
    echo "tests/debian.sh: $1" >&2
    exit 1
}

for tool in apt-get apt-cache dpkg dpkg-query; do
    command -v "$tool" >/dev/null 2>&1 || fail "$tool is missing: this needs Debian or Ubuntu"
done
[ $# -gt 0 ] || fail "name at least one package"
mkdir -p "$root" "$done"

# Two test runs at once would unpack over one another.
if command -v flock >/dev/null 2>&1; then
    exec 9>"$place/lock"
    flock 9
fi

installed() {
    dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed
}

# Libraries only: what a package wants besides is of no use to an unpacked program.
libraries_of() {
    apt-cache depends --no-recommends --no-suggests --no-conflicts --no-breaks \
        --no-replaces --no-enhances "$@" 2>/dev/null |
        sed -n 's/^ *|\{0,1\}\(Pre\)\{0,1\}Depends: \(lib[^<: ]*\).*$/\2/p' | sort -u
}

# All in one go: each start of apt reads the whole list of packages.
unpack() {
    absent=''
    for package; do
        [ -e "$done/$package" ] || absent="$absent $package"
    done
    [ -n "$absent" ] || return 0
    fetched=$(mktemp -d "$place/fetch.XXXXXX")
    # shellcheck disable=SC2086 # a list of names
    if ! (cd "$fetched" && apt-get download -qq -o APT::Sandbox::User= $absent) >"$place/log" 2>&1; then
        rm -rf "$fetched"
        fail "cannot download$absent (no network? apt-get update needed?): $(tail -n 1 "$place/log")"
    fi
    for file in "$fetched"/*.deb; do
        dpkg -x "$file" "$root" || fail "cannot unpack $file"
    done
    rm -rf "$fetched"
    for package in $absent; do
        : >"$done/$package"
    done
}

wanted=$*
seen=' '
while [ -n "$wanted" ]; do
    new=''
    for package in $wanted; do
        case $seen in *" $package "*) continue ;; esac
        seen="$seen$package "
        new="$new $package"
    done
    [ -n "$new" ] || break
    # shellcheck disable=SC2086 # a list of names
    unpack $new
    wanted=''
    # shellcheck disable=SC2086 # a list of names
    for library in $(libraries_of $new); do
        installed "$library" || wanted="$wanted $library"
    done
done

echo "$root"
