#!/bin/sh
# Runs all tests, those with real programs too (a Postfix, an Exim, libfaketime, strace …), which it
# unpacks under the target directory; nothing is installed. The service and the package under a real
# systemd need root, namespaces and overlayfs; where they are missing this says that they were left out.
#
#   tests/run.sh            every test
#   tests/run.sh --long     … in their long forms: more lives, more tokens
#
# From any directory, as root or anyone. Fails, and says what is missing, where a program that
# the tests need cannot be had. Plain `cargo test` leaves those tests out and needs nothing.
set -eu

case ${1-} in
'') ;;
--long)
    export JETOND_LIFE_SEEDS=100
    export JETOND_YEAR_TOKENS=1000
    export JETOND_PASSES=10000
    export JETOND_HISTORIES=500
    ;;
*)
    echo "usage: tests/run.sh [--long]" >&2
    exit 2
    ;;
esac

cd "$(dirname "$0")/.."
packages="postfix nsd chromium chromium-common chromium-driver fakeroot libfakeroot libfaketime mandoc fish fish-common zsh zsh-common lintian file strace libfiu0 exim4-daemon-light libnss-wrapper prometheus python3-icalendar python3-dateutil python3-six python3-tz"

fetch() {
    # shellcheck disable=SC2086 # a list of names
    tests/debian.sh $packages >/dev/null
}

echo "tests/run.sh: fetching $packages"
if ! fetch; then
    # A new machine knows no packages before its first update, which only root may do.
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "tests/run.sh: trying again after apt-get update"
        apt-get update -qq || echo "tests/run.sh: apt-get update failed" >&2
        fetch || fetched=no
    else
        fetched=no
    fi
fi
if [ "${fetched-yes}" = no ]; then
    echo "tests/run.sh: could not fetch all of: $packages" >&2
    echo "tests/run.sh: the tests with real programs need them; plain \`cargo test\` does not" >&2
    exit 1
fi

# Asked beforehand, because a test that passes is not heard.
if ! why=$(tests/systemd/boot.sh --can 2>&1); then
    echo "tests/run.sh: LEFT OUT: the service and the package under a real systemd (it $why)"
fi

export JETOND_TEST_REAL=1
# The program is started some thousand times: a little optimisation takes it from 0.8 s of
# processor time to 0.2, and costs the build less than that gains.
export CARGO_PROFILE_DEV_OPT_LEVEL=1
if cargo nextest --version >/dev/null 2>&1; then
    # It knows no doc tests, and its closing line comes last.
    cargo test --locked --doc
    exec cargo nextest run --locked --no-fail-fast
fi
exec cargo test --locked --no-fail-fast
