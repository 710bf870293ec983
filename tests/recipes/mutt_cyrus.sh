#!/bin/sh
# mutt built with Cyrus SASL, as doc/desktop.md has it.  Debian's is not: tests/recipes/build-mutt makes one, and MUTT_CYRUS
# in the environment says where it is.
. "${0%/*}/../integration/lib.sh"
# shellcheck source=/dev/null
. "${0%/*}/desktop.sh"

if [ -z "${MUTT_CYRUS:-}" ]; then
    echo "skipped: MUTT_CYRUS names no mutt built with Cyrus SASL (tests/recipes/build-mutt makes one)"
    exit 77
fi

# plugin_cannot_send: with the plugin it says AUTH and token in one line, of which Postfix takes 2048 bytes.
plugin_cannot_send() {
    grep -v '^set smtp_[ao]' "$S/cyrus" >"$S/bare"
    fails 1 mutt_sends "$MUTT_CYRUS" bare &&
        grep -q 'SASL XOAUTH2 authentication failed: Invalid base64 data' "$SMTPD_HOME/mail.log"
}

desktop_begin
for name in cyrus pop-cyrus; do
    block $name >"$S/$name"
done
check "before the sign-in it asks for a password" with_plugin mutt_shows 'Password for' "$MUTT_CYRUS" cyrus
sign_in $B
check "mutt reads by IMAP, by the plugin" with_plugin mutt_copies "$MUTT_CYRUS" cyrus
check "mutt reads by POP3, by the plugin" with_plugin mutt_copies "$MUTT_CYRUS" pop-cyrus
check "by SMTP the plugin's way is too long a line" with_plugin plugin_cannot_send
check "but it sends with a token" mutt_sends "$MUTT_CYRUS" cyrus
integration_end
