#!/bin/sh
# Builds the Debian package: the program, its man pages, and all that lies in packaging/.
#
#   packaging/build-deb.sh                     release; into target/debian/
#   packaging/build-deb.sh --out DIR           into DIR
#   packaging/build-deb.sh --profile dev       quicker to build, for tests
#   packaging/build-deb.sh --binary FILE       of a program that is built already
#
# Prints the path of the package. Needs Rust, a C compiler and dpkg-dev; cargo-deb is installed
# under the target directory where it is missing. Built twice on one machine, the package is
# the same: every date in it is that of packaging/debian/changelog.
set -eu

fail() {
    echo "packaging/build-deb.sh: $1" >&2
    exit 1
}

profile=release
binary=
out=
while [ $# -gt 0 ]; do
    case $1 in
    --profile | --binary | --out)
        [ $# -gt 1 ] || fail "$1 needs a value"
        # Only the names above come here.
        eval "${1#--}=\$2"
        shift 2
        ;;
    *) fail "usage: packaging/build-deb.sh [--profile NAME] [--binary FILE] [--out DIR]" ;;
    esac
done
[ -z "$binary" ] || binary=$(realpath "$binary")
[ -z "$out" ] || out=$(realpath -m "$out")

cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
out=${out:-$target/debian}
PATH=$target/tools/bin:$PATH

for tool in cargo dpkg-parsechangelog dpkg-shlibdeps strip gzip; do
    command -v $tool >/dev/null || fail "$tool is missing (apt-get install dpkg-dev binutils)"
done
mkdir -p "$target/release"
# Two builds at once would write over one another.
exec 9>"$target/package.lock"
flock 9

if ! command -v cargo-deb >/dev/null; then
    echo "packaging/build-deb.sh: installing cargo-deb" >&2
    # Without optimisation: it is built in half the time, and has little to do.
    cargo install --quiet --locked --debug --root "$target/tools" --target-dir "$target/tools/build" \
        cargo-deb >&2 || fail "cargo-deb is missing and cannot be installed (no network?)"
fi

if [ -z "$binary" ]; then
    cargo build --locked --profile "$profile" --bin jetond >&2
    case $profile in
    dev | test) directory=debug ;;
    bench) directory=release ;;
    *) directory=$profile ;;
    esac
    binary=$target/$directory/jetond
fi

SOURCE_DATE_EPOCH=$(dpkg-parsechangelog -l packaging/debian/changelog -S Timestamp)
export SOURCE_DATE_EPOCH
# What Cargo.toml calls target/release/package.
stage=$target/release/package
rm -rf "$stage"
mkdir -p "$stage"

strip --remove-section=.comment --remove-section=.note -o "$stage/jetond" "$binary"
"$binary" --lang en man --out "$stage/man" >/dev/null
gzip -9n "$stage"/man/man1/* "$stage"/man/man5/* "$stage"/man/fr/man5/*
gzip -9nc CHANGELOG.md >"$stage/changelog.gz"
sed -n '/^\[groups\./,$p' config.example.toml >"$stage/tokens.toml"
{
    echo "The libraries that the program contains, with their licences; their sources are on crates.io."
    echo
    cargo tree --locked --edges normal --prefix none --format '{p}: {l}' |
        sed -e 1d -e 's/ ([^)]*)//' | LC_ALL=C sort -u
} >"$stage/libraries"

# Everything is built and stripped: what is left is to pack it.
cargo deb --quiet --locked --no-build --no-strip --no-separate-debug-symbols --no-dbgsym \
    --output "$out/"
