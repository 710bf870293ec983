#!/bin/sh
# Services that are not Microsoft's, and programs that bring the token themselves.
. "${0%/*}/lib.sh"

# custom PATTERN TENANT: the part of a section for a service that we know nothing of.
custom() {
    cat <<END
[$1]
oauth2_service: custom
oauth2_token_endpoint: $AUTHORITY/$2/oauth2/v2.0/token
END
}

imap() {
    cyrus_login imtest "$DOVECOT_IMAP_PORT" "$@"
}

integration_begin
entra_start
servers_start
{
    # Microsoft's own service at the top must not leak into the sections: they say custom.
    echo 'oauth2_tenant: wrong.example.com'
    custom box1@contoso.com contoso.com
    cat <<END
oauth2_provider: app_only
oauth2_client_id: $APP_ONLY_CLIENT
oauth2_client_secret_file: $S/secret
oauth2_scope: https://outlook.office365.com/.default
oauth2_servers: localhost
END
    custom bob@fabrikam.com fabrikam.com
    cat <<END
oauth2_client_id: $DELEGATED_CLIENT
oauth2_device_endpoint: $AUTHORITY/fabrikam.com/oauth2/v2.0/devicecode
oauth2_scope: $DELEGATED_SCOPE
oauth2_servers: *.example.com localhost
END
    custom lacking@contoso.com contoso.com
    cat <<END
oauth2_provider: app_only
oauth2_client_id: $APP_ONLY_CLIENT
oauth2_client_secret_file: $S/secret
oauth2_scope: https://outlook.office365.com/.default
END
    echo '[*@contoso.com]'
    echo 'oauth2_provider: password_field'
} | sasl_conf

# ---- a service of one's own

check "an application logs in to a service described by hand" imap box1@contoso.com XOAUTH2
check "by OAUTHBEARER too" imap box1@contoso.com OAUTHBEARER
check "one request" equals 1 "$(counter token.client_credentials)"
settings '{"device_interval": 1, "device_outcome": "approve"}'
run sasl_bearer login --device bob@fabrikam.com
check "a user signs in to a service described by hand" equals "0 " "$STATUS $ERR"
check "and logs in" imap bob@fabrikam.com XOAUTH2
run sasl_bearer renew bob@fabrikam.com
check "the sign-in is renewed there" equals "0 " "$STATUS $ERR"
check "and still logs in" imap bob@fabrikam.com OAUTHBEARER
run sasl_bearer token lacking@contoso.com
check "a service without its servers is incomplete" remark 78 "oauth2_servers"
check "and the file and line of the section are told" says \
    "$SASL_CONF_PATH/sasl.conf:$(grep -n '^\[lacking' "$SASL_CONF_PATH/sasl.conf" | cut -d: -f1):" "$ERR"

# ---- the password is the token
#
# That is for Postfix: imtest and mbsync end badly, or misread, when given passwords of more than 1 kB.

box2=$(control access-tokens "{\"client_id\": \"$APP_ONLY_CLIENT\", \"tenant\": \"contoso.com\", \"scope\": \"https://outlook.office365.com/.default\"}" |
    json_member access_token)
control counters/reset '{}' >/dev/null
check "a token that is none is refused by the server" turned_away 'Authentication failed' \
    imap box2@contoso.com XOAUTH2 --password not.a.token
run imap box2@contoso.com XOAUTH2 --password 'two words'
check "a password that can be no token stays here" says 'Authentication failed. ' "$STATUS $OUT"
check "and nobody looks for a server that would be unavailable" says_not 'remote authentication server unavailable' "$OUT"
relay_start --login "box2@contoso.com:$box2" --set smtp_destination_concurrency_failed_cohort_limit=0
relay_send box2@contoso.com alice@contoso.com
check "Postfix brings it in sasl_passwd" equals sent "$OUTCOME"
check "Postfix' log has no complaint" fails 1 postfix_complaints "$RELAY_HOME"
check "the identity provider was not asked" equals 0 "$(counter total)"
check "nothing was stored for it" test -z "$(find "$STORE" -name 'password_field*')"
run sasl_bearer token box2@contoso.com
check "the command cannot know the token, and says so" remark 64 "password"
run sasl_bearer status
check "status shows that the program brings it" says "the program brings the token" "$OUT"

printf '[localhost]:%s box2@contoso.com:\n' "$SMTPD_PORT" >"$RELAY_HOME/sasl_passwd"
postfix_reload "$RELAY_HOME"
relay_send box2@contoso.com alice@contoso.com
check "an empty password defers the mail" equals deferred "$OUTCOME"
check "and the log says what is expected there" relay_told "provider password_field expects the access token" \
    box2@contoso.com password_field '[a-z]*'
printf '[localhost]:%s box2@contoso.com:/etc/passwd\n' "$SMTPD_PORT" >"$RELAY_HOME/sasl_passwd"
postfix_reload "$RELAY_HOME"
relay_send box2@contoso.com alice@contoso.com
check "a file that is no token file is not sent anywhere" equals deferred "$OUTCOME"
check "but told" relay_told "cannot open '/etc/passwd'" box2@contoso.com password_field config
integration_end
