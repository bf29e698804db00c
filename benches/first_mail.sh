#!/bin/sh
# From `git clone` to the first mail, with nothing compiled yet; goal: 180 s on 2 cores.
#
#   benches/first_mail.sh [CHECKOUT]
#
# Crates come from Cargo's own cache or the registry. Set CARGO_BUILD_JOBS=2 on a larger
# machine. Prints the steps in seconds and the costliest crates' report.
set -eu

from=${1:-$(cd "$(dirname "$0")/.." && pwd)}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
unset CARGO_TARGET_DIR

begin=$(date +%s)
git clone -q "$from" "$place/jetond"
cd "$place/jetond"
cloned=$(date +%s)
cargo build -q --locked --timings
built=$(date +%s)
echo "clone: $((cloned - begin)) s; build: $((built - cloned)) s"
cargo run -q --locked -- demo --once || echo "demo failed"
first=$(find . -path ./target -prune -o -name '*.eml' -print | head -n 1)
[ -n "$first" ] || echo "no .eml below the checkout yet"
echo "all: $(($(date +%s) - begin)) s"

# The report of --timings as a list: seconds and crate, the costliest first.
awk -F'"' '/^    "name":/ { name = $4 } /^    "target":/ { name = name $4 }
    /^    "duration":/ { gsub(/[^0-9.]/, "", $3); print $3, name }' \
    target/cargo-timings/cargo-timing.html | sort -rn | head -n 15
