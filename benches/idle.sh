#!/bin/bash
# What the daemon costs while nothing is to be done: its memory, its processor time by the day,
# its wake-ups, and how long it takes to be ready.
#
#   benches/idle.sh [SECONDS]      measured for so long (default 600) with 2 tokens; goals: 14 MB,
#                                  10 s of processor a day
#
# Needs Linux. A release build is made first.
set -eu

seconds=${1:-600}
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
cargo build --release --locked --quiet
jetond=${CARGO_TARGET_DIR:-$root/target}/release/jetond
place=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; rm -rf "$place"' EXIT

# start CONFIG LOG: from exec to READY in milliseconds.
start() {
    local begin
    begin=$(date +%s%N)
    "$jetond" -c "$1" run 2>"$2" &
    pid=$!
    until grep -q watching "$2"; do
        kill -0 "$pid" || { cat "$2" >&2; exit 1; }
        sleep 0.01
    done
    echo $((($(date +%s%N) - begin) / 1000000))
}

stop() {
    kill "$pid"
    wait "$pid" || true
    pid=
}

# of FIELD: a figure of /proc/PID/status.
of() { awk -v f="$1:" '$1 == f { print $2 }' "/proc/$pid/status"; }
# In hundredths of a second.
processor() { awk '{ print $14 + $15 }' "/proc/$pid/stat"; }
wakeups() { cat "/proc/$pid"/task/*/status | awk '/^voluntary_ctxt/ { s += $2 } END { print s }'; }

"$jetond" init "$place" >/dev/null 2>&1
start "$place/config.toml" "$place/log" >"$place/ready"
echo "2 tokens: ready after $(cat "$place/ready") ms"
sleep 30
cpu=$(processor) woken=$(wakeups) fds=$(ls "/proc/$pid/fd" | wc -l)
sleep "$seconds"
awk -v c="$(($(processor) - cpu))" -v w="$(($(wakeups) - woken))" -v s="$seconds" 'BEGIN {
    printf "idle: %.1f s of processor a day, %.2f wake-ups a second (over %d s)\n", c / 100 * 86400 / s, w / s, s }'
echo "memory: $(of VmRSS) kB resident, of it $(of RssAnon) kB its own; peak $(of VmHWM) kB"
echo "file descriptors: $fds before, $(ls "/proc/$pid/fd" | wc -l) after; $(of Threads) threads"
stop

mkdir "$place/many"
sed '/^\[\[token\]\]/,$d' "$place/config.toml" >"$place/many/config.toml"
for n in $(seq 100000); do
    printf '[[token]]\nid = "t%d"\nname = "Token %d"\nissued = %s\nrecipients = ["a%d@ville.example", "b%d@ville.example"]\n' \
        "$n" "$n" "2026-$(printf %02d $((n % 9 + 1)))-15" $((n % 3000)) $((n % 3000))
done >>"$place/many/config.toml"
start "$place/many/config.toml" "$place/many/log" >"$place/ready"
echo "100,000 tokens, no store yet: ready after $(cat "$place/ready") ms; peak $(of VmHWM) kB"
stop
start "$place/many/config.toml" "$place/many/log2" >"$place/ready"
echo "100,000 tokens, on record: ready after $(cat "$place/ready") ms; peak $(of VmHWM) kB"
cpu=$(processor)
sleep 130
awk -v c="$(($(processor) - cpu))" 'BEGIN { printf "… then %.0f ms of processor in 130 s\n", c * 10 }'
stop
