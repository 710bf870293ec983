#!/bin/sh
# The mail server's own refusals: a token that is good, but not for this mailbox; Dovecot's manner and Exchange's.
. "${0%/*}/lib.sh"

# has_dropped NUMBER: so many mails have arrived at Exchange.
has_dropped() {
    [ "$(find "$exchange/mail" -name '*.json' | wc -l)" -ge "$1" ]
}

integration_begin
entra_start
servers_start
exchange_start
section_app_only '*@contoso.com' | sasl_conf

# ---- servers that tell the reason in a challenge

relay_start --set smtp_sender_dependent_authentication=yes --set smtp_destination_concurrency_failed_cohort_limit=0 \
    --set "smtp_sasl_password_maps=texthash:$S/logins" --set "sender_dependent_relayhost_maps=texthash:$S/relays"
for user in ceo box1 box2 box3; do
    echo "$user@contoso.com $user@contoso.com:"
done >"$S/logins"
# Mail from box2 and box3 goes to Exchange.
for user in box2 box3; do
    echo "$user@contoso.com [localhost]:$EXCHANGE_SMTP_PORT"
done >"$S/relays"

relay_send ceo@contoso.com alice@contoso.com
ceo_id=$QUEUE_ID
check "a mailbox that the token may not open defers the mail" equals deferred "$OUTCOME"
check "the delivery status has the server's refusal" says "said: 535 5.7.8" "$REASON"
check "the log says that it is the mailbox, and to check permissions" relay_told \
    "whose token is kept: check who may open it" \
    ceo@contoso.com app_only mailbox_refused
check "the log has the server's challenge" relay_told '"status":"401"' ceo@contoso.com app_only mailbox_refused
relay_send box1@contoso.com alice@contoso.com
check "other mailboxes go on" equals sent "$OUTCOME"
check "with the same token" equals 1 "$(counter token.client_credentials)"
postfix_set "$RELAY_HOME" smtp_sasl_mechanism_filter=oauthbearer
postfix_reload "$RELAY_HOME"
check "by OAUTHBEARER it is deferred as well" equals deferred "$(postfix_retry "$RELAY_HOME" "$ceo_id")"
check "with the same status" says "said: 535 5.7.8" "$(postfix_reason "$RELAY_HOME" "$ceo_id" 2)"
relay_send box1@contoso.com alice@contoso.com
check "and the others go on" equals sent "$OUTCOME"
check "the refusal was told twice" equals 2 "$(grep -c cause=mailbox_refused "$RELAY_HOME/mail.log")"
postfix_set "$RELAY_HOME" smtp_sasl_mechanism_filter=xoauth2
postfix_reload "$RELAY_HOME"
control "apps/$APP_ONLY_CLIENT" '{"mailboxes": ["relay@contoso.com", "box*@contoso.com", "ceo@contoso.com"]}' >/dev/null
check "once the permission is there, the mail goes out" equals sent "$(postfix_retry "$RELAY_HOME" "$ceo_id")"
check "with the token that was there before" equals 1 "$(counter token.client_credentials)"

# ---- Exchange, which tells nothing

relay_send box2@contoso.com somebody@example.com
check "Exchange takes mail" equals sent "$OUTCOME"
check "from the mailbox that logged in" wait_for 10 has_dropped 1
check "under its own name" equals "box2@contoso.com box2@contoso.com" \
    "$(for member in login from; do json_member $member <"$exchange/mail/1.json"; done | tr '\n' ' ' | sed 's/ $//')"
complaints=$(grep -c 'SASL authentication problem' "$RELAY_HOME/mail.log")
control "apps/$APP_ONLY_CLIENT" '{"mailboxes": ["relay@contoso.com", "box2@contoso.com"]}' >/dev/null
relay_send box3@contoso.com somebody@example.com
check "a mailbox that Exchange refuses defers the mail" equals deferred "$OUTCOME"
check "the delivery status has Exchange's words" says "said: 535 5.7.3 Authentication unsuccessful" "$REASON"
check "the plugin, which learns nothing, makes nothing up" equals "$complaints" \
    "$(grep -c 'SASL authentication problem' "$RELAY_HOME/mail.log")"
relay_send box2@contoso.com somebody@example.com
check "the others go on" equals sent "$OUTCOME"
settings '{"refusal_style": "challenge"}'
check "a challenge before the refusal is told" equals deferred "$(postfix_retry "$RELAY_HOME" "$(
    postfix_queue "$RELAY_HOME" | sed -n 's/^\([0-9A-Za-z]*\).*box3@contoso.com$/\1/p' | head -n 1)")"
check "with the mailbox in the log" relay_told "the mail server refuses mailbox" box3@contoso.com app_only mailbox_refused

check "one token was enough for all this" equals 1 "$(counter token.client_credentials)"
check "no mail bounced" fails 1 grep -q 'status=bounced' "$RELAY_HOME/mail.log"
integration_end
