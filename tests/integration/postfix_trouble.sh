#!/bin/sh
# What an administrator reads when something is wrong: in the log the reason and what to do, in the delivery status a text that
# fits, and the mail stays in the queue.
. "${0%/*}/lib.sh"

# A mail from the given mailbox, which is also the login; see relay_send.
send_as() {
    relay_send "$1" alice@contoso.com
}

# box1 is well, box2 has a wrong secret, the others are called what they are.
# Postfix chooses the login by the sender, so that one relay has all the troubles.
logins() {
    for login in box1 box2 nowhere elsewhere misspelt; do
        printf '%s@contoso.com %s@contoso.com:\n' "$login" "$login"
    done
    printf '%s %s:\n' bob@fabrikam.com bob@fabrikam.com nobody@example.com nobody@example.com
}

integration_begin
entra_start
servers_start

echo 'not-the-secret' >"$S/secret-wrong"
chmod 600 "$S/secret-wrong"
closed_port=$(mail_port "$S/closed")
{
    section_app_only 'box2@contoso.com' | sed "s|client_secret_file:.*|client_secret_file: $S/secret-wrong|"
    section_app_only 'nowhere@contoso.com' | sed "s|token_endpoint:.*|token_endpoint: https://localhost:$closed_port/token|"
    section_app_only 'elsewhere@contoso.com'
    echo 'oauth2_servers: smtp.office365.com'
    section_app_only 'misspelt@contoso.com'
    echo 'oauth2_client_idd: x'
    section_app_only 'box1@contoso.com'
    section_delegated '*@fabrikam.com' fabrikam.com
} | sasl_conf
misspelt_line=$(grep -n client_idd "$SASL_CONF_PATH/sasl.conf" | cut -d: -f1)

# A site that refuses a login would be left alone for minutes, for all senders.
relay_start --set smtp_sender_dependent_authentication=yes --set smtp_destination_concurrency_failed_cohort_limit=0 \
    --set "smtp_sasl_password_maps=texthash:$S/logins"
logins >"$S/logins"

# ---- one section is wrong, the others work

send_as misspelt@contoso.com
check "a misspelt option defers that section's mail" equals deferred "$OUTCOME"
check "the delivery status speaks of the configuration file" says "error when parsing configuration file" "$REASON"
check "the log names file, line and the nearest option" relay_told \
    "$SASL_CONF_PATH/sasl.conf:$misspelt_line: unknown option 'oauth2_client_idd', nearest is 'oauth2_client_id'" \
    misspelt@contoso.com none config
send_as box1@contoso.com
check "the other sections go on" equals sent "$OUTCOME"

# ---- the secret

control counters/reset '{}' >/dev/null
send_as box2@contoso.com
wrong_id=$QUEUE_ID
check "a wrong client secret defers the mail" equals deferred "$OUTCOME"
check "the delivery status says that authentication failed" says "authentication failure" "$REASON"
check "the log has Microsoft's number and the remedy" relay_told \
    "use the client secret's Value, not its ID" box2@contoso.com app_only AADSTS7000215
check "the log has Microsoft's sentence" relay_told "AADSTS7000215: Invalid client secret" box2@contoso.com app_only AADSTS7000215
check "one request was refused" equals 1 "$(counter refused)"
check "the next attempt is deferred as well" equals deferred "$(postfix_retry "$RELAY_HOME" "$wrong_id")"
check "for the same reason" equals "$REASON" "$(postfix_reason "$RELAY_HOME" "$wrong_id" 2)"
check "the refusal is remembered: nobody asks again" equals 1 "$(counter refused)"
run sasl_bearer status box2@contoso.com
check "status tells the same to whoever looks" says refused "$OUT"
check "and has it in its exit status" equals 77 "$STATUS"
cat "$S/secret" >"$S/secret-wrong"
check "a secret mended in place is used at once" equals sent "$(postfix_retry "$RELAY_HOME" "$wrong_id")"

# ---- the identity provider

send_as nowhere@contoso.com
check "an identity provider out of reach defers the mail" equals deferred "$OUTCOME"
check "the delivery status says that a server is unavailable" says "remote authentication server unavailable" "$REASON"
check "the log says which one" relay_told "cannot reach https://localhost:$closed_port" nowhere@contoso.com app_only later

# ---- who and where

send_as nobody@example.com
check "a user whom no section covers is deferred" equals deferred "$OUTCOME"
check "the delivery status says that there is no such user" says "user not found" "$REASON"
check "the log says what to add" relay_told "no section of sasl.conf covers 'nobody@example.com': add one" \
    nobody@example.com none no_account

control counters/reset '{}' >/dev/null
send_as elsewhere@contoso.com
check "a server that may not have the token defers the mail" equals deferred "$OUTCOME"
check "the delivery status is not a riddle" says "user not found" "$REASON"
check "the log quotes the server's name and those that may have it" relay_told \
    "server 'localhost' is not among those that may be sent this token (smtp.office365.com)" elsewhere@contoso.com app_only \
    no_account
check "the log has the line to add" relay_told "add 'oauth2_servers: localhost' in $SASL_CONF_PATH/sasl.conf" \
    elsewhere@contoso.com app_only no_account
check "no token was requested for it" equals 0 "$(counter total)"

# ---- nobody signed in

send_as bob@fabrikam.com
bob_id=$QUEUE_ID
check "a user who has not signed in is deferred" equals deferred "$OUTCOME"
check "the delivery status says that the sign-in has run out" says "passphrase expired" "$REASON"
check "the log has the command to run" relay_told "run sasl-bearer login bob@fabrikam.com" bob@fabrikam.com delegated sign_in
check "and that Postfix must be reloaded" relay_told "postfix reload" bob@fabrikam.com delegated sign_in
sign_in bob@fabrikam.com
postfix_reload "$RELAY_HOME"
check "having signed in, the mail goes out" equals sent "$(postfix_retry "$RELAY_HOME" "$bob_id")"

# ---- the whole file is wrong

cp "$SASL_CONF_PATH/sasl.conf" "$S/good.conf"
echo 'what is this' >>"$SASL_CONF_PATH/sasl.conf"
line=$(wc -l <"$SASL_CONF_PATH/sasl.conf")
postfix_reload "$RELAY_HOME"
send_as box1@contoso.com
check "a line that nobody understands defers all mail" equals deferred "$OUTCOME"
check "the delivery status speaks of the configuration file" says "error when parsing configuration file" "$REASON"
check "the log names file and line" relay_told "$SASL_CONF_PATH/sasl.conf:$line: neither 'option: value' nor a [section]" \
    box1@contoso.com none config
cp "$S/good.conf" "$SASL_CONF_PATH/sasl.conf"
postfix_reload "$RELAY_HOME"
check "mended and reloaded, the mail goes out" equals sent "$(postfix_retry "$RELAY_HOME" "$QUEUE_ID")"

check "no mail bounced" fails 1 grep -q 'status=bounced' "$RELAY_HOME/mail.log"
check "no smtp process ended badly" fails 1 grep -E 'postfix/(master|smtp).*(exit status|killed by)' "$RELAY_HOME/mail.log"
mail_ports_release "$S/closed"
integration_end
