#!/bin/sh
# sendmail with the lines of doc/sendmail.md: Debian's own program and configuration, unpacked to /mnt in a mount namespace,
# since it cannot be installed beside Postfix.  And what the page says of sendmail's own AUTH.
#
# DEBS is the directory of sendmail-bin, sendmail-base and sendmail-cf as .deb files.

# Mounts, and the name of the machine, are those of a namespace of our own.
if [ -z "${PRIVATE_MOUNTS:-}" ]; then
    unshare -m -u true 2>/dev/null || { echo "skipped: no mount namespaces here"; exit 77; }
    PRIVATE_MOUNTS=yes exec unshare -m -u sh "$0" "$@"
fi
: "${DEBS:=/nonexistent}"
for package in sendmail-bin sendmail-base sendmail-cf; do
    [ -f "$(echo "$DEBS"/${package}_*.deb)" ] || { echo "skipped: DEBS has no $package"; exit 77; }
done
. "${0%/*}/../integration/lib.sh"
ROOT=/mnt
MC=$ROOT/etc/mail/sendmail.mc
NUMBER=0

# ---- a machine with sendmail

# unpack: the packages, with their paths below ROOT.
unpack() {
    mkdir "$S/root"
    for deb in "$DEBS"/sendmail-bin_*.deb "$DEBS"/sendmail-base_*.deb "$DEBS"/sendmail-cf_*.deb; do
        dpkg -x "$deb" "$S/root" || return
    done
    mount --bind "$S/root" $ROOT || return
    chmod 755 $ROOT
    grep -rlE '/usr/share/sendmail|/etc/mail/' $ROOT/usr/share/sendmail/cf |
        xargs sed -i "s|/usr/share/sendmail|$ROOT&|g; s|\([^a-z]\)/etc/mail/|\1$ROOT/etc/mail/|g"
    mkdir -p $ROOT/var/spool/mqueue $ROOT/var/lib/sendmail/host_status $ROOT/lib/sasl2 || return
    cp -L "$SASL_PATH"/*.so $ROOT/lib/sasl2/ # sendmail wants directories that only root can write on the way
    chmod 700 $ROOT/var/spool/mqueue
    # as Debian's maintainer scripts do it
    chgrp mail $ROOT/usr/libexec/sendmail/sendmail
    chmod 2755 $ROOT/usr/libexec/sendmail/sendmail
    : >$ROOT/etc/mail/local-host-names
    : >$ROOT/etc/mail/aliases
}

# called NAME: this machine is called so; the server of the page is here, too; and there is a system's log.
called() {
    hostname "$1"
    printf '%s\n' '127.0.0.1 localhost' "127.0.0.1 $1" '127.0.0.1 smtp.office365.com' >"$S/hosts"
    mount --bind "$S/hosts" /etc/hosts || return
    mkdir $ROOT/dev
    mount -t tmpfs -o mode=755 none $ROOT/dev || return
    for device in null zero full random urandom tty; do
        : >$ROOT/dev/$device
        mount --bind /dev/$device $ROOT/dev/$device || return
    done
    ln -s /proc/self/fd $ROOT/dev/fd
    mount --rbind $ROOT/dev /dev || return
    python3 "$top_srcdir/tests/recipes/syslog.py" /dev/log "$S/sendmail.log" &
    syslog_pid=$!
    wait_for 20 test -S /dev/log
}

# block NAME: that block of the page, for our server and our places.
block() {
    page_block sendmail.md "$1" |
        sed "s|/usr/bin/sasl-bearer|$bindir/sasl-bearer|; s|smtp://\$h |smtp://\$h:$SMTPD_PORT |
            s|/var/lib/sasl-relay|$S/store-of-user|; s|/etc/sasl2/relay.secret|$S/secret|g
            s|sasl-relay|$USER_ID|g; s|^oauth2_client_id: .*|oauth2_client_id: $APP_ONLY_CLIENT|"
}

# configure: sendmail.cf from Debian's sendmail.mc, with the lines on standard input in place of its mailers.
configure() {
    {
        sed -n '/^divert(0)/,/^OSTYPE/p' $ROOT/usr/share/sendmail/cf/debian/sendmail.mc | sed "s|\`/usr|\`$ROOT/usr|"
        cat
        # as Postfix' import_environment
        printf 'LOCAL_CONFIG\nESASL_PATH=%s\nESASL_CONF_PATH=%s\n' $ROOT/lib/sasl2 "$SASL_CONF_PATH"
    } >$MC
    m4 $MC >$ROOT/etc/mail/sendmail.cf 2>"$S/m4.err" || { cat "$S/m4.err"; return 1; }
    sed -i "s|=/var/|=$ROOT/var/|; s|/run/sendmail|$ROOT/var/lib/sendmail|" $ROOT/etc/mail/sendmail.cf
}

# ---- mail

# sendmail_sends [OPTION...]: one mail, in the foreground; what sendmail says, but not what would show a token.
sendmail_sends() {
    NUMBER=$((NUMBER + 1))
    mail_message relay@contoso.com alice@contoso.com "number $NUMBER" "$NUMBER@send.fixture.test" |
        timeout 60 $ROOT/usr/libexec/sendmail/sendmail -C $ROOT/etc/mail/sendmail.cf -odi -f relay@contoso.com "$@" \
            alice@contoso.com 2>&1 | without_command
}
without_command() {
    awk '/^>>> AUTH / { print ">>> AUTH", $3, length($0) - 4, "bytes"; next } { print }'
}

# forget_failures: after one, sendmail leaves a server alone for half an hour; this is what purgestat(1) does.
forget_failures() {
    rm -rf $ROOT/var/lib/sendmail/host_status/*
}

# logged TEXT: sendmail's log has it, in the lines of the last mail.
logged() {
    logged_text=$(grep -F "to=alice@contoso.com" "$S/sendmail.log" | tail -n 1)
    says "$1" "$logged_text"
}

integration_begin
trap 'kill ${syslog_pid:-} 2>/dev/null; umount -l -R /dev $ROOT 2>/dev/null; integration_clean' EXIT
entra_start
python3 "$top_srcdir/tests/entra/entra.py" --issue "$entra" smtp.office365.com
imap_start
fixture postfix_server_start "$S/smtpd" "$entra/smtp.office365.com.pem" "$entra/smtp.office365.com.key" \
    "$DOVECOT_AUTH_SOCKET" "$DOVECOT_STORE"
fixture unpack
fixture called relay.fixture.test

# ---- the page's lines

{
    echo "oauth2_ca_file: $S/ca.pem"
    block account
    echo "oauth2_token_endpoint: $AUTHORITY/contoso.onmicrosoft.com/oauth2/v2.0/token"
} >"$SASL_CONF_PATH/sasl.conf"
cp "$CA" "$S/ca.pem" # the emulator's own directory is closed
chmod 644 "$S/ca.pem"
block user | grep -v '^useradd' >"$S/user.sh"
fixture sh -e "$S/user.sh"
block mailer | grep -v '^#' >"$S/mailer"
fixture configure <"$S/mailer"

check "sendmail hands its mail over" sendmail_sends
check "the server has taken it" logged 'stat=Sent'
check "it arrives" wait_for 10 mailbox_has "$DOVECOT_STORE" alice@contoso.com 1
check "the mailbox of the page logged in by token" grep -q 'sasl_method=XOAUTH2, sasl_username=relay@contoso.com' \
    "$SMTPD_HOME/mail.log"
check "the token is that user's" equals $USER_ID "$(stat -c %u "$S"/store-of-user/*)"
sendmail_sends >"$S/sent.out"
check "the next mail uses the same token" equals "1" "$(counter token.client_credentials)"
check "and arrives" wait_for 10 mailbox_has "$DOVECOT_STORE" alice@contoso.com 2

control "apps/$APP_ONLY_CLIENT" '{"mailboxes": []}' >/dev/null
sendmail_sends >"$S/sent.out"
check "a refusal keeps the mail in the queue" logged 'stat=Deferred'
check "and the log has the reason" logged '421 smtp.office365.com sasl-bearer: '
control "apps/$APP_ONLY_CLIENT" '{"mailboxes": ["relay@contoso.com"]}' >/dev/null
forget_failures
timeout 60 $ROOT/usr/libexec/sendmail/sendmail -C $ROOT/etc/mail/sendmail.cf -q >"$S/queue.out" 2>&1
check "the queue delivers it later" wait_for 10 mailbox_has "$DOVECOT_STORE" alice@contoso.com 3

# ---- sendmail's own AUTH

# by_itself PASSWORD: sendmail logs in, or would.
by_itself() {
    printf 'AuthInfo:smtp.office365.com "U:relay@contoso.com" "I:relay@contoso.com" "P:%s" "M:XOAUTH2"\n' "$1" \
        >$ROOT/etc/mail/authinfo
    chmod 600 $ROOT/etc/mail/authinfo
    fixture configure <<EOF
define(\`SMART_HOST', \`[smtp.office365.com]')dnl
define(\`RELAY_MAILER_ARGS', \`TCP \$h $SMTPD_PORT')dnl
define(\`confAUTH_MECHANISMS', \`XOAUTH2')dnl
define(\`confCACERT', \`$S/ca.pem')dnl
define(\`confCACERT_PATH', \`$ROOT/etc/mail')dnl
FEATURE(\`authinfo')dnl
MAILER(\`local')dnl
MAILER(\`smtp')dnl
EOF
    $ROOT/usr/libexec/sendmail/makemap -C $ROOT/etc/mail/sendmail.cf hash $ROOT/etc/mail/authinfo <$ROOT/etc/mail/authinfo
    forget_failures
    sendmail_sends -v
}

if [ -z "${SANITIZER:-}" ]; then # its library cannot be preloaded into a setgid program
    said=$(by_itself any)
    check "setgid, sendmail gets nothing from the plugin" says_not '>>> AUTH' "$said"
    chmod g-s $ROOT/usr/libexec/sendmail/sendmail
    said=$(by_itself any)
    check "without that it logs in, but cuts the line" says '>>> AUTH XOAUTH2 2047 bytes' "$said"
    check "which is no login" says '535 ' "$said"
    said=$(by_itself '')
    check "with an empty password it does not try" says_not '>>> AUTH' "$said"
fi
integration_end
