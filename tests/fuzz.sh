#!/bin/sh
# Runs a fuzzing target of tests/it/fuzz for a while, with cases that differ each time.
#
#   tests/fuzz.sh                          every target, ten minutes each
#   tests/fuzz.sh session [SECONDS]        one of: session addresses messages notifications config
#                                          verdict
#   tests/fuzz.sh session --case RUN:CASE  repeats a case
#
# Prints the number of executions; a failure says what repeats it and where its input is kept.
# Needs nothing but cargo. An input worth keeping goes into tests/it/fuzz/seeds/TARGET.
set -eu

cd "$(dirname "$0")/.."

usage() {
    sed -n '4,7s/^# *//p' "$0" >&2
    exit 2
}

test_of() {
    case $1 in
    session) echo fuzz::session::session ;;
    addresses) echo fuzz::addresses::addresses ;;
    messages) echo fuzz::messages::messages ;;
    notifications) echo fuzz::notifications::notifications ;;
    config) echo fuzz::config::config_files ;;
    verdict) echo fuzz::verdict::verdict ;;
    *) usage ;;
    esac
}

targets="session addresses messages notifications config verdict"
seconds=600
if [ $# -gt 0 ]; then
    test_of "$1" >/dev/null
    targets=$1
    case ${2-} in
    '') ;;
    --case)
        [ $# -eq 3 ] || usage
        export JETOND_FUZZ_CASE="$3"
        ;;
    *[!0-9]*) usage ;;
    *) seconds=$2 ;;
    esac
fi

if [ -z "${JETOND_FUZZ_CASE-}" ]; then
    export JETOND_FUZZ_SECONDS="$seconds"
    JETOND_FUZZ_RUN=${JETOND_FUZZ_RUN:-$(date +%s)}
    export JETOND_FUZZ_RUN
fi
# Some optimisation is worth ten times as many cases; overflow checks and assertions stay.
export CARGO_PROFILE_DEV_OPT_LEVEL="${CARGO_PROFILE_DEV_OPT_LEVEL:-1}"
for target in $targets; do
    cargo test --locked --quiet --test it -- --exact "$(test_of "$target")" --nocapture
done
