# The Debian package on a machine that never had it, from the installation to the purge, mailing
# through a real Postfix whose Maildir is /var/collect/mail/box. Run by tests/systemd/boot.sh;
# /opt has jetond.deb, next.deb (a higher version) and `port`, the relay's. What mails there are
# in the end is for the test to count.
. /opt/steps.sh

export DEBIAN_FRONTEND=noninteractive
port=$(cat /opt/port)
relay=reach-$port
tokens=/etc/jetond/conf.d/tokens.toml
backup=/var/backups/jetond-today.db
# What the steps compare with; not in /tmp, which systemd empties as it boots.
kept=$(mktemp -d -p /opt)

# With what dpkg says in $said.
package() {
    said=$(dpkg "$@" 2>&1) || fail "dpkg $*: $said"
}
told() { [[ $said == *"$1"* ]] || fail "not told: $1, but: $said"; }
as() { runuser -u "$1" -- env -C / "${@:2}"; }

# ends CODE COMMAND...: with what the command says in $said.
ends() {
    local code=0
    said=$("${@:2}" 2>&1) || code=$?
    [ $code = "$1" ] || fail "exit code $code, not $1: ${*:2}: $said"
}

# token ID DAYS RECIPIENTS
token() {
    printf '[[token]]\nid = "%s"\nname = "%s"\nexpires = %s\nrecipients = [%s]\n\n' \
        "$1" "$1" "$(date -d "+$2 days" +%F)" "$3" >>$tokens
}

# How many mails the Maildir has for an address.
mails_of() { cat /var/collect/mail/box/new/* 2>/dev/null | grep -cxF "Delivered-To: $1"; }
has() { [ "$(mails_of "$1")" -ge "$2" ]; }

quiet() { says "rien en attente, prochain créneau "; }
restarted_since() { active && [ "$(of MainPID)" != "$1" ]; }

# What bears the name, but for pages that man keeps for itself.
ours() { find /etc /usr /var /run -xdev -path /var/cache/man -prune -o -name '*jetond*' -print | sort; }

begin "as it was before"
# What keeps services from being started, and manuals from being unpacked, in images of containers.
rm -f /usr/sbin/policy-rc.d
grep -l '^path-exclude' /etc/dpkg/dpkg.cfg.d/* | xargs -r rm
# The database of all manuals of this machine is of no use here.
rm -f /var/lib/man-db/auto-update
id jetond 2>/dev/null && fail "it was here before"
ours >$kept/before
systemctl daemon-reload
systemctl start "$relay.socket" || fail "relay"

begin "the installation: enabled, not started, three next steps"
package -i /opt/jetond.deb
told "jetond is installed and enabled, but not started"
told "  1. fill in $config"
told "  2. sudo -u jetond jetond check"
told "  3. sudo systemctl start jetond"
[ "$(systemctl is-enabled jetond)" = enabled ] || fail "not enabled"
[ "$(systemctl is-enabled jetond-once.timer)" = disabled ] || fail "the timer is enabled"
[ "$(of ActiveState)" = inactive ] || fail "it is $(of ActiveState)"
for place in "root jetond 640 $config" "root jetond 750 /etc/jetond/conf.d" \
    "root root 700 /etc/jetond/credentials" "jetond jetond 750 /var/lib/jetond"; do
    [ "$(stat -c '%U %G %a %n' "${place##* }")" = "$place" ] || fail "not $place"
done
[ "$(getent passwd jetond | cut -d: -f6-)" = /var/lib/jetond:/usr/sbin/nologin ] || fail "the account"

begin "what came with it"
systemctl cat jetond | grep -q '^ExecStart=/usr/bin/jetond' || fail "no unit"
for unit in jetond jetond-once; do
    # 12: an exposure of 1.2.
    ends 0 systemd-analyze security --offline=true --threshold=12 "/usr/lib/systemd/system/$unit.service"
done
ends 0 systemd-analyze verify jetond.service jetond-once.service jetond-once.timer
[[ $said != *jetond* ]] || fail "verify: $said"
if command -v man >/dev/null; then
    for page in jetond jetond-outbox-release jetond.toml; do
        [ -e "$(man -w $page)" ] || fail "no manual of $page"
    done
    [[ $(LC_ALL=fr_FR.UTF-8 man -L fr -w jetond.toml) == */fr/man5/* ]] || fail "no French manual"
fi
(. /usr/share/bash-completion/completions/jetond && complete -p jetond) || fail "no completion"

begin "check names what to fill in, and nothing else"
ends 3 as jetond jetond check --lang en
for key in contact from host; do
    line=$(grep -n "^$key *= \"\"" $config | cut -d: -f1)
    told "$config:$line:"
done
[ "$(grep -c '^/etc/jetond.*: error: ' <<<"$said")" = 3 ] || fail "not three errors: $said"

begin "filled in, started: mails arrive"
sed -i "s/^contact .*/contact = \"dsi@ville.example\"/
    s/^from .*/from = \"Veille des jetons <jetons@ville.example>\"/
    s/^host .*/host = \"127.0.0.1\"\nport = $port\ntls = \"none\"/
    s/^window .*/window = \"00:00-24:00\"/" $config || fail "sed"
token marches-publics 15 '"c.martin@ville.example", "tech@editeur.example"'
token portail 30 '"c.martin@ville.example", "d.petit@ville.example"'
token archives 400 '"nobody-yet@ville.example"'
ends 0 as jetond jetond check --lang en
ends 0 systemctl start jetond
active || fail "not active"
for address in c.martin@ville.example tech@editeur.example d.petit@ville.example; do
    until_it "the mail of $address" has $address 1
done
until_it "its status" quiet

begin "status: for the service's account and root, not for others"
ends 0 as jetond jetond status --lang en
told "Everything owed is covered"
ends 0 jetond status --lang en
told "Everything owed is covered"
ends 3 as nobody jetond status --lang en
told "$config: reading it is not permitted"
told "chgrp jetond"
ends 8 runuser -u nobody -g nogroup -G jetond -- jetond -c $config status --lang en
told "jetond.db"

begin "reload with a good file"
pid=$(of MainPID)
token cantine 7 '"e.roux@ville.example"'
ends 0 systemctl reload jetond
until_it "the mail of the new token" has e.roux@ville.example 1
until_it "the word in the status" says "+1 jeton"
until_it "the word in the journal" logged "reloaded: +1 token"
until_it "its status" quiet

begin "reload with a bad file"
cp $config $kept/good.toml
sed -i 's/^timezone.*/timezone = "Europe\/Pari"/' $config
line=$(grep -n '^timezone' $config | cut -d: -f1)
ends 1 systemctl reload jetond
until_it "where, in the journal" logged "$config:$line:12: "
active && [ "$(of MainPID)" = "$pid" ] || fail "it does not run on"
says "+1 jeton" || fail "something changed: $(of StatusText)"

begin "an upgrade with a bad file leaves the service that runs"
package -i /opt/jetond.deb
told "this version refuses $config"
active && [ "$(of MainPID)" = "$pid" ] || fail "it does not run on"
cp $kept/good.toml $config
ends 0 systemctl reload jetond

begin "SIGSTOP: the watchdog ends it, and it comes back"
mkdir -p /etc/systemd/system/jetond.service.d
printf '[Service]\nWatchdogSec=2\nRestartSec=100ms\n' >/etc/systemd/system/jetond.service.d/fast.conf
systemctl daemon-reload
ends 0 systemctl restart jetond
systemctl kill -s STOP jetond
until_it "a restart" restarts 1
until_it "it runs" active
until_it "the reason" logged "Watchdog timeout"
until_it "its status" quiet
rm -r /etc/systemd/system/jetond.service.d
systemctl daemon-reload
ends 0 systemctl restart jetond

begin "the relay is down: mails wait, and a backup holds them"
systemctl stop "$relay.socket" "$relay.service"
token ecoles 15 '"f.blanc@ville.example"'
token sports 30 '"g.noir@ville.example"'
ends 0 systemctl reload jetond
until_it "they wait" says $'2\u00a0courriels en attente'
as jetond jetond outbox list --json >/var/collect/waiting.json || fail "outbox list"
ends 0 jetond backup $backup
ends 0 jetond backup verify $backup --lang en
told "a sound backup"

begin "the upgrade restarts the service, and they still wait"
pid=$(of MainPID)
package -i /opt/next.deb
[[ $said != *refuses* && $said != *"installed and enabled"* ]] || fail "it says: $said"
cmp $config $kept/good.toml || fail "the config is another one"
until_it "the new one" restarted_since "$pid"
[ "$(readlink "/proc/$(of MainPID)/exe")" = /usr/bin/jetond ] || fail "the old program runs"
[ "$(dpkg-query -W -f '${Version}' jetond)" = 99-1 ] || fail "which version?"
until_it "they wait" says $'2\u00a0courriels en attente'
as jetond jetond outbox list --json >/var/collect/still.json || fail "outbox list"
ends 0 as jetond jetond status --lang en
[ "$(mails_of f.blanc@ville.example)$(mails_of g.noir@ville.example)" = 00 ] || fail "through what?"

begin "the relay is back: each of them arrives"
systemctl start "$relay.socket" || fail "relay"
# The daemon asks a relay that failed again after 30 s, then after longer.
patience=200 until_it "the mails" has f.blanc@ville.example 1
until_it "the mails" has g.noir@ville.example 1
until_it "its status" quiet

begin "another mail, then back to the backup"
token piscine 7 '"h.vert@ville.example"'
ends 0 systemctl reload jetond
until_it "the mail" has h.vert@ville.example 1
until_it "its status" quiet
ends 5 jetond backup restore $backup --lang en
told "systemctl stop jetond"
ends 0 systemctl stop jetond
ends 0 jetond status --lang en
told "not running"
[ "$(of Result)" = success ] || fail "the stop: $(of Result)"
package -i /opt/next.deb
[ "$(of ActiveState)" = inactive ] || fail "an upgrade starts what was stopped"
ends 0 jetond backup restore $backup
ends 0 systemctl start jetond
for address in f.blanc g.noir h.vert; do
    until_it "once more, since it is not known" has $address@ville.example 2
done
until_it "its status" quiet
ends 0 as jetond jetond status --lang en
ends 0 jetond status --lang en
others=$(find /var/lib/jetond ! -user jetond)
[ -z "$others" ] || fail "not the service's: $others"

begin "the removal keeps config and history, and a new installation goes on"
cp $config $kept/good.toml
package -r jetond
[ "$(of ActiveState)" = inactive ] || fail "it runs on"
[ -e /usr/bin/jetond ] && fail "the program is here"
cmp $config $kept/good.toml && [ -e $tokens ] && [ -e /var/lib/jetond/jetond.db ] || fail "something is gone"
package -i /opt/next.deb
until_it "it goes on" active
until_it "its status" quiet
ends 0 as jetond jetond status --lang en
as jetond jetond outbox list --all --json >/var/collect/record.json || fail "outbox list"
[ "$(systemctl is-enabled jetond)" = enabled ] || fail "not enabled"

begin "a purge that nobody answers for keeps the history"
package -P jetond
told "the history stays in /var/lib/jetond"
[ "$(of ActiveState)" = inactive ] || fail "it runs on"
[ -e /var/lib/jetond/jetond.db ] && [ -e $tokens ] || fail "something is gone"
[ ! -e $config ] || fail "the config is here"
ours | comm -13 $kept/before - | grep -v '^/var/lib/jetond\|^/etc/jetond$\|^/var/backups/' && fail "this is left"

begin "installed again, as at first; a purge with a yes leaves nothing"
said=$(LC_ALL=fr_FR.UTF-8 dpkg -i /opt/next.deb 2>&1) || fail "$said"
told "jetond est installé et activé, mais pas démarré"
[ "$(of ActiveState)" = inactive ] || fail "it is $(of ActiveState)"
[ "$(systemctl is-enabled jetond)" = enabled ] || fail "not enabled"
echo "jetond jetond/purge-history boolean true" | debconf-set-selections || fail "the answer"
package -P jetond
ours | comm -13 $kept/before - | grep -vxF $backup && fail "this is left"
grep -l jetond /var/cache/debconf/config.dat /var/cache/debconf/templates.dat && fail "debconf remembers"
systemctl list-unit-files 'jetond*' --no-legend | grep . && fail "units are left"
# Policy: files elsewhere may still be its own.
id jetond || fail "the account is gone"

echo "--- all done"
