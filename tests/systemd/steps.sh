# What the scripts of a booted machine have in common; boot.sh puts it beside them.
set -u

config=/etc/jetond/config.toml
step=nothing

begin() {
    step=$1
    echo "--- $step (after $SECONDS s)"
}

fail() {
    echo "FAILED in $step: $1"
    systemctl status jetond --no-pager -l
    journalctl --no-pager -n 60 -o short
    exit 1
}

# What systemd knows of the service.
of() { systemctl show jetond -P "$1"; }

# Waits until a command succeeds; it takes a moment, at most a minute or $patience seconds.
until_it() {
    local what=$1 end=$((SECONDS + ${patience:-60}))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || fail "never: $what; status: $(of StatusText)"
        sleep 0.05
    done
}

says() { [[ $(of StatusText) == *"$1"* ]]; }
active() { [ "$(of ActiveState)" = active ] && [ "$(of SubState)" = running ]; }
restarts() { [ "$(of NRestarts)" -ge "$1" ]; }
logged() { journalctl -u jetond --no-pager -o cat "${@:2}" | grep -qF -- "$1"; }
