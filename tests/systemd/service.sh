# The service from its first start to its last stop, in a booted systemd: its sandbox, secrets and
# ways to send. Run by tests/systemd/boot.sh; the binary, the units, a template of the config and
# the secret are in place. The watchdog and all that the package does: package.sh.
. /opt/steps.sh

# Not in /tmp, which systemd empties as it boots.
kept=$(mktemp -d -p /opt)

# Writes the config: the template with its dates, and what is given as more.
write_config() {
    sed "s/@15@/$(date -d '+15 days' +%F)/; s/@400@/$(date -d '+400 days' +%F)/" \
        /etc/jetond/template.toml >$config
    cat >>$config
    chown root:jetond $config
    chmod 640 $config
}

begin "the account and the units"
systemd-sysusers || fail "sysusers"
id jetond || fail "no account"
systemctl daemon-reload
systemctl start $(cd /etc/systemd/system && ls -d reach-*.socket) || fail "relay"
units="jetond.service jetond-once.service jetond-once.timer"
for unit in $units; do
    systemd-analyze verify --man=no "/usr/lib/systemd/system/$unit" || fail "verify $unit"
done

begin "without a config nothing is started"
systemctl start jetond || fail "start"
[ "$(of ActiveState)" = inactive ] || fail "it runs"

begin "a bad config at start: exit 3, no restart"
echo 'timezone = "Europe/Pari"' >$config
chmod 644 $config
systemctl start jetond && fail "it started"
[ "$(of ExecMainStatus)" = 3 ] || fail "exit $(of ExecMainStatus)"
[ "$(of ActiveState)" = failed ] || fail "it is tried again: $(of ActiveState)"
logged "config.toml:1:12" || fail "the journal does not say where"

begin "start, READY, a mail over TLS with the credential, STATUS"
write_config </dev/null
systemctl start jetond || fail "start"
active || fail "not active"
until_it "the mail is gone" says "nothing waits, next slot "
[ "$(stat -c '%U %a' /var/lib/jetond/jetond.db)" = "jetond 600" ] || fail "the store's mode"
logged "sent mail=" TOKEN=marches-publics || fail "the journal does not find the token"
logged "c***@ville.example" || fail "no masked address"
journalctl -u jetond --no-pager -o export | grep -aE '[a-z.]{2,}@ville' && fail "a whole address"
[ -e /run/credentials/jetond.service/jetond_smtp.password ] || fail "where is the credential?"

begin "the sandbox"
pid=$(of MainPID)
grep -q '^NoNewPrivs:.*1' "/proc/$pid/status" || fail "new privileges"
grep -q '^CapEff:.*0000000000000000' "/proc/$pid/status" || fail "capabilities"
grep -q '^Seccomp:.*2' "/proc/$pid/status" || fail "no seccomp"
[ "$(stat -c '%U %a' /var/lib/jetond/jetond.db.keys)" = "jetond 600" ] || fail "the keys' mode"
answer=$(bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080 && printf "GET /l/none HTTP/1.1\r\nHost: jetons.ville.example\r\n\r\n" >&3 && head -n 1 <&3')
case $answer in "HTTP/1.1 410"*) ;; *) fail "it does not answer: $answer" ;; esac
mkdir -p /etc/systemd/system/jetond.service.d
cat >/etc/systemd/system/jetond.service.d/probe.conf <<'U'
[Service]
ExecStartPost=/bin/sh -c 'touch /var/lib/jetond/probe && for f in /etc/jetond /usr /var/lib /home /root /opt /var/log; do ! touch $$f/probe || exit 1; done'
ExecStartPost=/bin/sh -c '! cat /etc/jetond/credentials/smtp.password'
ExecStartPost=/bin/sh -c '! unshare --user true'
U
systemctl daemon-reload
systemctl restart jetond || fail "something outside of its directories can be written"
[ -e /var/lib/jetond/probe ] || fail "its own directory cannot be written"
rm /etc/systemd/system/jetond.service.d/probe.conf
systemctl daemon-reload

begin "reload with a good file"
until_it "a pass" says "nothing waits"
pid=$(of MainPID)
write_config <<'T'
[[token]]
id = "new"
name = "New"
expires = 2090-01-31
recipients = ["b.durand@ville.example"]
T
sed -i 's/"d.petit@ville.example"/"d.petit@ville.example", "e.roux@ville.example"/' $config
systemctl reload jetond || fail "reload"
summary="+1 token, 1 changed (recipients); next mail unchanged"
says "$summary" || fail "the status does not tell it"
logged "reloaded: $summary" || fail "the journal does not tell it"
until_it "the state beside it" says "nothing waits, next slot "
says "$summary" || fail "the next pass takes it away"

begin "reload with a bad file"
cp $config $kept/good.toml
sed -i 's/^timezone.*/timezone = "Europe\/Pari"/' $config
systemctl reload jetond && fail "it is taken over"
logged "config.toml:1:12" || fail "the journal does not say where"
active && [ "$(of MainPID)" = "$pid" ] || fail "it does not run on"
says "$summary" || fail "something changed: $(of StatusText)"
systemctl kill -s HUP jetond
until_it "the refusal" says "REFUSED reload"

begin "reload with a key that needs a restart"
sed 's|jetond/jetond.db|jetond/other.db|' $kept/good.toml >$config
systemctl reload jetond && fail "it is taken over"
logged "store.url" || fail "the key is not named"
systemctl kill -s HUP jetond
until_it "the refusal" says "store.url changed, which needs a restart"
cp $kept/good.toml $config
systemctl reload jetond || fail "back"
says "tokens unchanged; next mail unchanged" || fail "back"

begin "stop: exit 0 within the grace"
systemctl restart jetond || fail "restart"
jetond -c $config history --json >/var/collect/history.json || fail "history"
systemctl stop jetond || fail "stop"
[ "$(of Result)" = success ] && [ "$(of ExecMainStatus)" = 0 ] || fail "$(of Result)"

begin "without a daemon: the timer and its service"
systemctl start jetond-once.timer || fail "timer"
systemctl show jetond-once.timer -P NextElapseUSecRealtime | grep -q . || fail "no next time"
systemctl start jetond-once.service || fail "once"
journalctl -u jetond-once --no-pager -o cat | grep -qF "0 reminders newly owed" || fail "no word"
systemctl start jetond || fail "start"
systemctl start jetond-once.service || fail "once beside the daemon is a failure"
systemctl stop jetond jetond-once.timer

begin "without any secret, mails as files"
rm -r /etc/jetond/credentials
sed -i '/^\[mail.smtp\]/,/^$/d; s/^transport.*/transport = "file"\ndirectory = "\/var\/lib\/jetond\/outbox"/' $config
systemctl start jetond || fail "start"
until_it "a pass" says "next slot"
[ -d /var/lib/jetond/outbox ] || fail "no outbox"
systemctl stop jetond

begin "sendmail, with the drop-in"
# What Postfix's does: a setgid program writes into a directory of its group.
echo 'g postdrop -' | systemd-sysusers - || fail "group"
install -d -m 1730 -g postdrop /var/spool/postfix/maildrop
install -d -m 2710 -g postdrop /var/spool/postfix/public
install -D -m 2755 -g postdrop "$(readlink -f /usr/bin/tee)" /usr/local/lib/postdrop
printf '#!/bin/sh\nexec /usr/local/lib/postdrop /var/spool/postfix/maildrop/$$ >/dev/null\n' \
    >/usr/local/bin/sendmail
chmod 755 /usr/local/bin/sendmail
sed -i 's/^transport.*/transport = "sendmail"\nsendmail = "\/usr\/local\/bin\/sendmail"/' $config
cat >>$config <<T

[[token]]
id = "late"
name = "Late"
expires = $(date -d '+15 days' +%F)
recipients = ["f.blanc@ville.example"]
T
cp /opt/sendmail.conf /etc/systemd/system/jetond.service.d/
systemctl daemon-reload
systemctl start jetond || fail "start"
until_it "the mail" logged "mail=" TOKEN=late
logged "not sent" TOKEN=late && fail "not sent"
grep -q 'f.blanc@ville.example' /var/spool/postfix/maildrop/* || fail "no mail in the queue"
systemctl stop jetond

echo "--- all done"
