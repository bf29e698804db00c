#!/bin/sh
# The fault campaign: the real program against kill -9, full disks, damaged stores, clocks that
# jump, servers that misbehave, and an oracle that reads its record and the server's log together.
#
#   tests/faults.sh                    every scenario in its short form, as the tests run it
#   tests/faults.sh --long             … in its long form: hours on a small machine
#   tests/faults.sh kill disk --long   these alone
#   tests/faults.sh --list             their names
#
# From any directory, as root or anyone; nothing is installed. Prints one row for each scenario:
#
#   cycles      faults that were put in
#   mails       mails owed, all together
#   lost        neither taken by the server, nor open with a next time, nor told to the contact
#   repeated    mails taken once more, and how many the faults allow: what was in flight
#   false       recorded as sent, and never taken
#   told        given up, with word to the contact: nobody can know whether they arrived
#
# Ends with 1 if any rule is broken, with 2 if it was asked wrongly.
set -eu

names="kill stop syscalls disk io locked corrupt replaced clock poison storm streams phases"
usage() {
    echo "usage: tests/faults.sh [SCENARIO…] [--long] | --list" >&2
    echo "scenarios: $names" >&2
    exit 2
}

form=short
wanted=''
for word; do
    case $word in
    --long) form=long ;;
    --list)
        echo "$names" | tr ' ' '\n'
        exit 0
        ;;
    -*) usage ;;
    *)
        case " $names " in
        *" $word "*) wanted="$wanted $word" ;;
        *) usage ;;
        esac
        ;;
    esac
done
[ -n "$wanted" ] || wanted=$names

cd "$(dirname "$0")/.."
tests/debian.sh libfaketime strace libfiu0 >/dev/null

# A scenario is the module or the test of its name.
filter=''
for name in $wanted; do
    filter="$filter faults::$name::"
done

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
: >"$place/table"
export JETOND_TEST_REAL=1 JETOND_FAULTS=$form JETOND_FAULTS_TABLE="$place/table"
# As in tests/run.sh: the program is started some thousand times.
export CARGO_PROFILE_DEV_OPT_LEVEL="${CARGO_PROFILE_DEV_OPT_LEVEL:-1}"

# One after another, so that each has the machine for itself; a scenario uses both hands.
code=0
# shellcheck disable=SC2086 # a list of names
cargo test --locked --test it -- --test-threads 1 $filter >"$place/said" 2>&1 || code=1
[ "$code" = 0 ] || cat "$place/said"
{
    printf 'scenario\tcycles\tmails\tlost\trepeated\tallowed\tfalse\ttold\trules\n'
    sort "$place/table"
} | awk -F '\t' '{ printf "%-14s %7s %8s %6s %9s %8s %6s %6s  %s\n", $1, $2, $3, $4, $5, $6, $7, $8, $9 }'
[ -s "$place/table" ] || {
    echo "tests/faults.sh: no scenario told anything" >&2
    cat "$place/said" >&2
    code=1
}
exit "$code"
