#!/bin/sh
# nmh as doc/desktop.md has it: inc by the plugin, send through the pipe, and why not by the plugin.
. "${0%/*}/../integration/lib.sh"
# shellcheck source=/dev/null
. "${0%/*}/desktop.sh"

# of_file NAME: of the block for sending those lines that belong into that file.
of_file() {
    block send | awk -v name="# $1" '/^# / { on = index($0, name) == 1; next } on' | sed '/^$/d'
}

inc_fetches() {
    block inc | sed "s|-port 995|-port $DOVECOT_POP3S_PORT|" >"$S/inc.sh"
    bounded sh -e "$S/inc.sh" </dev/null 2>&1 && holds 'of bob' "$HOME/Mail/inbox"
}

send_sends() {
    mail_of_bob 'by nmh' | grep -v '^Message-ID' >"$S/draft" # nmh makes one itself
    bounded send "$@" "$S/draft" </dev/null 2>&1 && arrived 'by nmh'
}

# send_cannot: it says AUTH and token in one line, of which Postfix takes 2048 bytes.
send_cannot() {
    fails 1 send_sends -mts smtp -server localhost -port "$SMTPD_PORT" -tls -user $B -sasl &&
        grep -q 'SASL XOAUTH2 authentication failed: Invalid base64 data' "$SMTPD_HOME/mail.log"
}

desktop_begin
PATH=$PATH:/usr/bin/mh
mkdir "$HOME/bin"
printf 'Path: Mail\nWelcome: disable\n' >"$HOME/.mh_profile"
# With the sanitizer's library inc and post never end, whatever they did: libp11-kit waits for a lock when it is unloaded.
if [ -z "${SANITIZER:-}" ]; then
    check "before the sign-in inc says what to do" turned_away "run sasl-bearer login $B" inc_fetches
fi
sign_in $B
if [ -z "${SANITIZER:-}" ]; then
    check "by the plugin send's line is too long" send_cannot
    check "inc fetches by the plugin" inc_fetches
fi
of_file '~/bin/smtp-bob' >"$HOME/bin/smtp-bob"
chmod 755 "$HOME/bin/smtp-bob"
of_file '~/.mh_profile' | sed "s|/home/bob/|$HOME/|" >>"$HOME/.mh_profile"
check "send sends through the pipe" send_sends
integration_end
