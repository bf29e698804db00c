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
        --no-replaces --no-enhances "$1" 2>/dev/null |
        sed -n 's/^ *|\{0,1\}\(Pre\)\{0,1\}Depends: \(lib[^<: ]*\).*$/\2/p'
}

unpack() {
    [ -e "$done/$1" ] && return 0
    fetched=$(mktemp -d "$place/fetch.XXXXXX")
    if ! (cd "$fetched" && apt-get download -qq -o APT::Sandbox::User= "$1") >"$place/log" 2>&1; then
        rm -rf "$fetched"
        fail "cannot download $1 (no network? apt-get update needed?): $(tail -n 1 "$place/log")"
    fi
    dpkg -x "$fetched"/*.deb "$root" || fail "cannot unpack $1"
    rm -rf "$fetched"
    : >"$done/$1"
}

wanted=$*
seen=' '
while [ -n "$wanted" ]; do
    next=''
    for package in $wanted; do
        case $seen in *" $package "*) continue ;; esac
        seen="$seen$package "
        unpack "$package"
        for library in $(libraries_of "$package"); do
            installed "$library" || next="$next $library"
        done
    done
    wanted=$next
done

echo "$root"
