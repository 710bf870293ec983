#!/bin/sh
# The services whose names sasl.conf knows: what is asked for there, which servers get the token, by their real names, and
# how long it must still live for Microsoft's High Volume Email.

# Their servers are this machine, for a mount namespace of our own.
if [ -z "${PRIVATE_MOUNTS:-}" ]; then
    unshare -m true 2>/dev/null || { echo "no mount namespaces here"; exit 77; }
    PRIVATE_MOUNTS=yes exec unshare -m sh "$0" "$@"
fi
. "${0%/*}/lib.sh"

B=bob@fabrikam.com
D=dana@outlook.com
A=box1@contoso.com
GMAIL=imap.gmail.com
HVE=smtp.hve.mx.microsoft

# servers_of_the_world: from now on they are here, those that are spoken to and those that must not be.
servers_of_the_world() {
    { cat /etc/hosts; for host in $GMAIL $HVE smtp-hve.office365.com smtp.office365.com outlook.office365.com \
        imap-mail.outlook.com imap.gmail.com.example.org; do echo "127.0.0.1 $host"; done; } >"$S/hosts"
    mount --bind "$S/hosts" /etc/hosts
}

# world_conf: as sasl_conf, but that the services' own servers are believed.
world_conf() {
    sasl_conf
    sed -i '/^oauth2_servers: localhost$/d' "$SASL_CONF_PATH/sasl.conf"
}

# login PROGRAM HOST PORT USER MECHANISM: succeeds if that server let the user in; the token is left out.
login() {
    login_program=$1
    shift
    login_status=0
    login_output=$(with_plugin "run_$login_program" "$@") || login_status=$?
    printf '%s\n' "$login_output" | grep -v '^C: '
    return "$login_status"
}
imap_at() {
    login imtest "$1" "$DOVECOT_IMAP_PORT" "$2" "$3"
}

# stays_here HOST USER: a server of that name is not sent the user's token.
stays_here() {
    sessions=$(counter may_open)
    turned_away 'user not found' imap_at "$1" "$2" XOAUTH2 && equals "$sessions" "$(counter may_open)"
}

# asked_for: the scope of the last token request.
asked_for() {
    grep '"token"' "$entra/requests.log" | tail -n 1 | json_member scope
}

# answers JSON USER: the identity provider answers whatever it is asked with a token of that user, beside these members.
answers() {
    access_token "$2" | python3 -c 'import json, sys
reply = {"access_token": sys.stdin.read().strip(), "token_type": "Bearer", "expires_in": 3599} | json.loads(sys.argv[1])
fail = {"status": 200, "content_type": "application/json", "body": json.dumps(reply)}
print(json.dumps({"fail": fail}))' "$1" >"$S/secret-answer"
    curl -sS --fail-with-body -H 'Content-Type: application/json' --data-binary "@$S/secret-answer" "$CONTROL/settings" \
        >"$S/secret-settings"
}

# aged SECONDS HOST: requests that a login at that server takes whose token, of an hour, has so much less to live.
aged() {
    rm -f "$STORE"/*
    sasl_bearer renew $A >"$S/renew.out"
    control counters/reset '{}' >/dev/null
    aged_output=$(ahead "$1" run_smtptest "$2" "$SMTPD_PORT" $A XOAUTH2) || { printf '%s\n' "$aged_output" | grep -v '^C: '; return 1; }
    counter token.client_credentials
}

integration_begin
trap 'umount /etc/hosts 2>/dev/null; integration_clean' EXIT
entra_start
clock_begin
fixture servers_of_the_world
for host in $GMAIL $HVE; do
    python3 "$top_srcdir/tests/entra/entra.py" --issue "$entra" $host
done
fixture dovecot_start "$S/dovecot" "$entra/$GMAIL.pem" "$entra/$GMAIL.key" "$top_srcdir/tests/entra/dovecot-xoauth2.lua" \
    "$(entra_ready control_port)"
fixture postfix_server_start "$S/smtpd" "$entra/$HVE.pem" "$entra/$HVE.key" "$DOVECOT_AUTH_SOCKET" "$DOVECOT_STORE"

# ---- gmail

printf 'GOCSPX-not-a-real-one' >"$S/secret-gmail"
chmod 600 "$S/secret-gmail"
world_conf <<END
[$B]
oauth2_service: gmail
oauth2_client_id: 123-abc.apps.googleusercontent.com
oauth2_client_secret_file: $S/secret-gmail
oauth2_token_endpoint: $AUTHORITY/fabrikam.com/oauth2/v2.0/token
[$A]
oauth2_service: gmail
oauth2_provider: app_only
oauth2_client_id: 123-abc.apps.googleusercontent.com
oauth2_client_secret_file: $S/secret-gmail
END
answers '{"refresh_token": "1//of-gmail"}' $B
printf '1//of-gmail\n' >"$S/secret-refresh"
run sasl_bearer login --with-refresh-token $B <"$S/secret-refresh"
check "gmail: somebody signs in" equals "0 " "$STATUS $ERR"
answers '{}' $B
run sasl_bearer renew $B
check "gmail: a token is renewed" equals "0 " "$STATUS $ERR"
check "gmail: it is for mail, and nothing else" equals 'https://mail.google.com/' "$(asked_for)"
settings '{"fail": null}'
check "gmail: OAUTHBEARER opens the mailbox" imap_at $GMAIL $B OAUTHBEARER
check "gmail: XOAUTH2 too" imap_at $GMAIL $B XOAUTH2
mailbox_deliver "$DOVECOT_STORE" $B 'of gmail'
mkdir "$S/pull"
check "gmail: mbsync fetches by OAUTHBEARER" with_plugin run_mbsync "$S/pull" $GMAIL "$DOVECOT_IMAP_PORT" $B \
    OAUTHBEARER "$CA"
check "gmail: and the mail is there" grep -rq '^Subject: of gmail$' "$S/pull/mail/INBOX"
for host in outlook.office365.com imap.gmail.com.example.org localhost; do
    check "gmail: $host is not sent the token" stays_here $host $B
done
run sasl_bearer renew $A
check "gmail: no application acts on its own" remark 78 "no application may act on its own at service gmail"
run sasl_bearer login --device $B
check "gmail: has no device codes for mail, and that is said" test "$STATUS" -ne 0
check "gmail: naming the option" says oauth2_device_endpoint "$ERR"

# ---- outlook: personal accounts

world_conf <<END
[$D]
oauth2_service: outlook
oauth2_client_id: $DELEGATED_CLIENT
oauth2_token_endpoint: $AUTHORITY/consumers/oauth2/v2.0/token
oauth2_device_endpoint: $AUTHORITY/consumers/oauth2/v2.0/devicecode
END
settings "{\"device_interval\": 1, \"device_outcome\": \"approve\", \"device_user\": \"$D\"}"
run sasl_bearer login --device $D
check "outlook: somebody signs in" equals "0 " "$STATUS $ERR"
run sasl_bearer renew $D
check "outlook: a token is renewed" equals "0 " "$STATUS $ERR"
check "outlook: it is for IMAP, POP and SMTP" equals "$DELEGATED_SCOPE" "$(asked_for)"
for host in outlook.office365.com imap-mail.outlook.com; do
    check "outlook: it opens the mailbox at $host" imap_at $host $D XOAUTH2
done
for host in $GMAIL $HVE localhost; do
    check "outlook: $host is not sent the token" stays_here $host $D
done

# ---- microsoft365 and High Volume Email

# The identity provider would have tokens live nearly to their end, so that renewals are our own decision.
settings '{"refresh_in": 3590}'
section_app_only $A | world_conf
for host in smtp.office365.com $HVE; do
    check "$host: a token that is good for 15 minutes is used" equals 0 "$(aged 2700 $host)"
done
check "a token that is good for 10 minutes is good enough for smtp.office365.com" equals 0 "$(aged 3000 smtp.office365.com)"
for host in $HVE smtp-hve.office365.com; do
    check "not for $host" equals 1 "$(aged 3000 $host)"
done
check "a token that is good for 4 minutes is for nobody" equals 1 "$(aged 3360 smtp.office365.com)"
check "microsoft365: gmail is not sent the token" stays_here $GMAIL $A

# Postfix, too, says which server it talks to.
rm -f "$STORE"/*
sasl_bearer renew $A >"$S/renew.out"
control counters/reset '{}' >/dev/null
[ -n "${SANITIZER:-}" ] || set -- --smtp-env "LD_PRELOAD=$CLOCK" --smtp-env AHEAD=3000
if [ $# -gt 0 ]; then
    relay_start --relay $HVE --login "$A:" "$@"
    relay_send $A alice@contoso.com
    check "Postfix relays to $HVE" equals sent "$OUTCOME"
    check "with a token that lives long enough" equals 1 "$(counter token.client_credentials)"
    check "Postfix' log has no complaint" fails 1 postfix_complaints "$RELAY_HOME"
fi

# ---- oauth2_min_lifetime

min_lifetime() {
    { section_app_only $A; echo "oauth2_min_lifetime: $1"; } | world_conf
}
check "without it a token that is good for half an hour is used" equals 0 "$(aged 1800 smtp.office365.com)"
min_lifetime 1500
check "asked for 25 minutes, so it is" equals 0 "$(aged 1800 smtp.office365.com)"
check "one that is good for 24 is not" equals 1 "$(aged 2160 smtp.office365.com)"
min_lifetime 3000
check "nobody gets more than half of a token's life" equals 0 "$(aged 1500 smtp.office365.com)"
check "but that" equals 1 "$(aged 1860 smtp.office365.com)"
min_lifetime 0
check "one that is good for 10 minutes is used by whoever asks for nothing" equals 0 "$(aged 3000 smtp.office365.com)"
check "but not at $HVE, which wants more" equals 1 "$(aged 3000 $HVE)"
min_lifetime 1500
check "where both want something, the more counts" equals 1 "$(aged 2160 $HVE)"
integration_end
