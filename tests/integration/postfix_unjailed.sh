#!/bin/sh
# The same store and sasl.conf serve an smtp(8) in its jail and one outside: where the jail is off, as many distributions ship it.
. "${0%/*}/lib.sh"

integration_begin
entra_start
{
    section_app_only '*@contoso.com'
    section_delegated '*@fabrikam.com' fabrikam.com
} | sasl_conf
servers_start
sign_in bob@fabrikam.com

relay_start --unchrooted --set smtp_sender_dependent_authentication=yes --set "smtp_sasl_password_maps=texthash:$S/logins"
printf '%s %s:\n' relay@contoso.com relay@contoso.com bob@fabrikam.com bob@fabrikam.com >"$S/logins"
relay_send relay@contoso.com alice@contoso.com
check "an smtp(8) outside the jail sends mail with a token it fetched itself" equals sent "$OUTCOME"
check "it is outside" equals / "$(readlink "/proc/$(postfix_pids "$RELAY_HOME" smtp | head -n 1)/root")"
check "one token was requested" equals 1 "$(counter token.client_credentials)"
check "the token is in the store" equals "600 root" "$(stat -c '%a %U' "$(token_file app_only '*@contoso.com')")"
relay_send bob@fabrikam.com alice@contoso.com
check "a user's sign-in sends mail" equals sent "$OUTCOME"

expire
run sasl_bearer renew relay@contoso.com
run sasl_bearer renew bob@fabrikam.com
relay_send relay@contoso.com alice@contoso.com
check "a token renewed by the command is used" equals "sent 2" "$OUTCOME $(counter token.client_credentials)"
relay_send bob@fabrikam.com alice@contoso.com
check "so is a user's" equals "sent 2" "$OUTCOME $(counter token.refresh_token)"

# What the command's renewal is to Postfix, Postfix' renewal is to the command.
control counters/reset '{}' >/dev/null
settings '{"access_token_lifetime": 2}'
run sasl_bearer renew bob@fabrikam.com
settings '{"access_token_lifetime": 3600}'
expires=$(($(date +%s) + 3))
has_expired() {
    [ "$(date +%s)" -ge "$expires" ]
}
wait_for 10 has_expired
relay_send bob@fabrikam.com alice@contoso.com
check "a token that has ended is renewed by smtp(8)" equals "sent 2" "$OUTCOME $(counter token.refresh_token)"
run sasl_bearer token bob@fabrikam.com
check "the command finds it in the store" equals "0 2" "$STATUS $(counter token.refresh_token)"

# The same store, into the jail: as an administrator changes it.
postconf -c "$RELAY_HOME/etc" -F 'smtp/unix/chroot=y'
postfix_reload "$RELAY_HOME"
relay_send relay@contoso.com alice@contoso.com
check "put into the jail it sends on" equals sent "$OUTCOME"
check "it is inside" equals "$RELAY_HOME/queue" "$(readlink "/proc/$(postfix_pids "$RELAY_HOME" smtp | head -n 1)/root")"
relay_send bob@fabrikam.com alice@contoso.com
check "for a user too" equals sent "$OUTCOME"
check "with the tokens that were there" equals "0 2" "$(counter token.client_credentials) $(counter token.refresh_token)"
check "all mail has arrived" wait_for 10 mailbox_has "$DOVECOT_STORE" alice@contoso.com 7
check "Postfix' log has no complaint" fails 1 postfix_complaints "$RELAY_HOME"
integration_end
