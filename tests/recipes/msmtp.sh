#!/bin/sh
# msmtp as doc/desktop.md has it, by itself and below neomutt.
. "${0%/*}/../integration/lib.sh"
# shellcheck source=/dev/null
. "${0%/*}/desktop.sh"

msmtp_sends() {
    mail_of_bob 'by msmtp' | bounded msmtp -t 2>&1 && arrived 'by msmtp'
}

desktop_begin
{
    printf 'defaults\ntls_trust_file %s\n\n' "$CA"
    block msmtp | sed "s|^port 587|port $SMTPD_PORT|"
} >"$HOME/.msmtprc"
chmod 600 "$HOME/.msmtprc"
block mutt >"$S/muttrc"
check "before the sign-in it says what to do" turned_away "run sasl-bearer login $B" msmtp_sends
sign_in $B
check "msmtp sends" msmtp_sends
check "neomutt sends through it" mutt_sends neomutt muttrc
integration_end
