#!/bin/sh
# One host, many accounts: three tenants, a service like Gmail's, a relay that wants a password, and a user with a sign-in
# of her own.  A jailed Postfix, mbsync and imtest use all of them at once, while tokens end.  Nobody gets another's token,
# and when one tenant refuses its application the others do not notice.
. "${0%/*}/lib.sh"

# Contoso: an application with a secret.  Fabrikam: Bob signed in, and opens info@ too.  Adatum: an application with a
# certificate.  Gmail: Gina signed in; her servers offer OAUTHBEARER only.
RELAY=relay@contoso.com
BOX=box1@contoso.com
BOB=bob@fabrikam.com
INFO=info@fabrikam.com
POST=post@adatum.example
GINA=gina@gmail.example
ADATUM_CLIENT=4f5a9f88-3333-4333-8333-000000000001
GMAIL_CLIENT=90000000-4444-4444-8444-000000000001
# The relay with a password knows this name, which a section of sasl.conf covers; all other senders use it.
PLAIN=plain@contoso.com
OTHER=printer@office.example

LOGINS=300  # at least
LIFETIME=12 # of tokens, in seconds; in their second half they are renewed, so that a slow login still has half of it
ROUND=6     # mails of each sender

# ---- who there is

directory() {
    python3 - "$ADATUM_CLIENT" "$GMAIL_CLIENT" "$S/post.crt" <<'END'
import json, sys
adatum, gmail, certificate = sys.argv[1:]
print(json.dumps({
    "tenants": [{"id": "33333333-3333-4333-8333-333333333333", "name": "Adatum", "domains": ["adatum.example"]},
                {"id": "44444444-4444-4444-8444-444444444444", "name": "Gmail", "domains": ["gmail.example"],
                 "gmail": True}],
    "apps": [{"client_id": adatum, "name": "Post", "tenant": "adatum.example", "mailboxes": ["post@adatum.example"],
              "service_principals": {"adatum.example": adatum}, "certificates": [open(certificate).read()],
              "app_roles": ["IMAP.AccessAsApp", "SMTP.SendAsApp"]},
             {"client_id": gmail, "name": "Mail programs", "tenant": "gmail.example", "secrets": [{"name": "gmail_secret"}],
              "service_principals": {"gmail.example": gmail}, "consented": [""]}],
    "users": [{"address": "gina@gmail.example"}],
    "mailboxes": [{"address": "gina@gmail.example"}, {"address": "post@adatum.example"}]}))
END
}

# ask ROUTE FILE: POST to the control port what the file holds.
ask() {
    fixture curl -sS --fail-with-body -H 'Content-Type: application/json' --data-binary "@$2" "$CONTROL/$1" >>"$S/ask.out"
}

tenants_begin() {
    openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=post -days 30 -keyout "$S/post.key" -out "$S/post.crt" \
        2>"$S/openssl.out"
    chmod 600 "$S/post.key"
    directory >"$S/directory.json"
    ask directory "$S/directory.json"
    (umask 077 && secret_file gmail_secret >"$S/secret-gmail")
}

# What an administrator writes for them.
system_conf() {
    echo "oauth2_min_lifetime: $((LIFETIME / 2))"
    section_app_only '*@contoso.com'
    section_delegated '*@fabrikam.com' fabrikam.com
    cat <<END
[$INFO]
oauth2_identity: $BOB
[*@adatum.example]
oauth2_provider: app_only
oauth2_tenant: adatum.example
oauth2_client_id: $ADATUM_CLIENT
oauth2_client_certificate: $S/post.crt
oauth2_client_key: $S/post.key
oauth2_token_endpoint: $AUTHORITY/adatum.example/oauth2/v2.0/token
[*@gmail.example]
oauth2_service: gmail
oauth2_client_id: $GMAIL_CLIENT
oauth2_client_secret_file: $S/secret-gmail
oauth2_token_endpoint: $AUTHORITY/gmail.example/oauth2/v2.0/token
oauth2_servers: localhost
END
}

# And Bob for himself, on the same host: the same application, another sign-in.
user_conf() {
    echo "oauth2_ca_file: $S/ca.pem"
    section_delegated $BOB fabrikam.com
}

people_sign_in() {
    gmail_scope='https://mail.google.com/ offline_access'
    sign_in $BOB
    control grants "{\"user\":\"$GINA\",\"client_id\":\"$GMAIL_CLIENT\",\"scope\":\"$gmail_scope\"}" |
        json_member refresh_token | sasl_bearer login --with-refresh-token $GINA >>"$S/sign_in.out" || exit 1
    user_begin <<END
$(user_conf)
END
    refresh_token $BOB >"$S/secret-refresh"
    as_bob "$bindir/sasl-bearer" login --with-refresh-token $BOB <"$S/secret-refresh" >>"$S/sign_in.out" || exit 1
}

# as_bob COMMAND...: as the user, on a host whose sasl.conf is there for all to read.
as_bob() {
    as_user "SASL_CONF_PATH=$SASL_CONF_PATH" ${SANITIZER:+"LD_PRELOAD=$SANITIZER" ASAN_OPTIONS=detect_leaks=0} "$@"
}

# ---- servers

# Gmail's servers first: who starts a second one remembers the first one's ports.
gmail_start() {
    fixture dovecot_start "$S/gmail" "$entra/localhost.pem" "$entra/localhost.key" \
        "$top_srcdir/tests/entra/dovecot-xoauth2.lua" "$(entra_ready control_port)" 'auth_mechanisms = oauthbearer'
    GMAIL_IMAP_PORT=$DOVECOT_IMAP_PORT
    MAIL_USERS=$GINA
    fixture postfix_server_start "$S/gsmtpd" "$entra/localhost.pem" "$entra/localhost.key" "$DOVECOT_AUTH_SOCKET" \
        "$DOVECOT_STORE"
    GMAIL_SMTP_PORT=$SMTPD_PORT
    mailbox_deliver "$DOVECOT_STORE" $GINA "for $GINA"
}

# Microsoft's IMAP is Dovecot here, which tells who came by which mechanism; Microsoft's SMTP is in Exchange's manner.
microsoft_start() {
    imap_start
    exchange_start
    for mailbox in $RELAY $BOX $BOB $INFO $POST; do
        mailbox_deliver "$DOVECOT_STORE" "$mailbox" "for $mailbox"
    done
}

password_relay_start() {
    MAIL_USERS=alice@contoso.com
    fixture postfix_server_start "$S/psmtpd" "$entra/localhost.pem" "$entra/localhost.key" "$DOVECOT_AUTH_SOCKET" \
        "$DOVECOT_STORE" 'smtpd_sasl_mechanism_filter=plain, login'
}

# The administrator's Postfix: a transport for each service, with the mechanism that it is for; the rest has a password.
# Left to itself, Postfix would keep all mail from a server for a while because one login failed there (cohort_limit).
host_start() {
    for domain in contoso.com fabrikam.com adatum.example; do
        echo "@$domain m365:[localhost]:$EXCHANGE_SMTP_PORT"
    done >"$S/transports"
    echo "@gmail.example gmail:[localhost]:$GMAIL_SMTP_PORT" >>"$S/transports"
    relay_start --login "$PLAIN:$(secret_file plain_password)" --mechanisms '!xoauth2, !oauthbearer, static:all' \
        --set smtp_sender_dependent_authentication=yes \
        --set "sender_dependent_default_transport_maps=texthash:$S/transports"
    for transport in m365=xoauth2 gmail=oauthbearer; do
        postconf -c "$RELAY_HOME/etc" -M \
            "${transport%=*}/unix=${transport%=*} unix - - y - - smtp -o smtp_sasl_mechanism_filter=${transport#*=}"
    done
    postfix_set "$RELAY_HOME" m365_destination_concurrency_failed_cohort_limit=0
    for sender in $RELAY $BOX $BOB $INFO $POST $GINA; do
        echo "$sender $sender:"
    done >>"$RELAY_HOME/sasl_passwd"
    postfix_reload "$RELAY_HOME"
}

# ---- traffic: workers that log in until they are stopped, and write a line for each time.

# works LOGIN WHILE COMMAND...: runs it again and again as long as that file is there.  LOGIN is server, user and mechanism.
works() {
    works_login=$1 works_while=$2
    shift 2
    # When the server refuses a command, mbsync shows it, the token included: that stays in a file for secrets.
    while [ -e "$works_while" ]; do
        if "$@" >"$S/secret-said.$WORKER" 2>&1; then
            echo "$works_login"
        else
            echo "no $works_login: $(tail -n 5 "$S/secret-said.$WORKER" | sed "s/'AUTHENTICATE [^']*'//" | tr '\n' ' ')"
        fi
    done >"$S/worked.$WORKER"
}

# worker LOGIN WHILE COMMAND...: the same in the background.
worker() {
    WORKER=$((WORKER + 1))
    works "$@" &
    WORKERS="$WORKERS $!"
}
WORKER=0 WORKERS=

# account SERVER PORT USER MECHANISM WHILE: its mbsync and some imtests.
account() {
    mkdir "$S/pull.$3"
    worker "$1 $3 $4" "$5" with_plugin run_mbsync "$S/pull.$3" localhost "$2" "$3" "$4" "$CA"
    worker "$1 $3 $4" "$5" cyrus_login imtest "$2" "$3" "$4"
    worker "$1 $3 $4" "$5" cyrus_login imtest "$2" "$3" "$4"
    worker "$1 $3 $4" "$5" cyrus_login imtest "$2" "$3" "$4"
}

# bob_account NUMBER: one of the mbsyncs that Bob has himself.
bob_account() {
    as_user mkdir -p "$USER_HOME/$1/mail"
    mail_render "$mail_dir/mbsyncrc.template" "HOME=$USER_HOME/$1" HOST=localhost "PORT=$DOVECOT_IMAP_PORT" "USER=$BOB" \
        MECHANISM=XOAUTH2 "CAFILE=$S/ca.pem" SSLTYPE=STARTTLS PASS= >"$USER_HOME/$1/mbsyncrc"
    worker "dovecot $BOB XOAUTH2" "$S/busy" as_bob timeout 60 mbsync -V -c "$USER_HOME/$1/mbsyncrc" -a
}

traffic_start() {
    : >"$S/busy"
    : >"$S/post.busy"
    for user in $RELAY $BOX $INFO; do
        account dovecot "$DOVECOT_IMAP_PORT" $user XOAUTH2 "$S/busy"
    done
    before=$WORKERS
    account dovecot "$DOVECOT_IMAP_PORT" $POST XOAUTH2 "$S/post.busy"
    POST_WORKERS=${WORKERS#"$before"}
    account gmail "$GMAIL_IMAP_PORT" $GINA OAUTHBEARER "$S/busy"
    bob_account 1
    bob_account 2
}

# traffic_stop: the workers end; what they did goes to S/worked.
traffic_stop() {
    rm -f "$S/busy" "$S/post.busy"
    # shellcheck disable=SC2086 # a list
    wait $WORKERS
    ended=$(date +%s)
    cat "$S"/worked.* >"$S/worked"
}

# mails: each sender sends some, the one who will be refused first.
mails() {
    for sender in $POST $RELAY $BOX $BOB $INFO $GINA $OTHER; do
        case $sender in
        "$GINA") recipient=$GINA ;;
        *) recipient=alice@contoso.com ;;
        esac
        smtp-source -s 2 -m $ROUND -l 1000 -f "$sender" -t "$recipient" "127.0.0.1:$RELAY_SMTPD_PORT"
    done
    MAILS=$((MAILS + ROUND))
}
MAILS=0

# sent SENDER: how many of its mails have gone out.
sent() {
    awk -v from="from=<$1>," '$7 == from { of[$6] = 1 } / status=sent / && of[$6] { n++ } END { print n + 0 }' \
        "$RELAY_HOME/mail.log"
}

# all_sent SENDER...: for wait_for.
all_sent() {
    for sent_sender; do
        [ "$(sent "$sent_sender")" -ge "$MAILS" ] || return 1
    done
}

# logins: how many worked so far.
logins() {
    cat "$S"/worked.* | grep -vc '^no '
}

# requests CLIENT OUTCOME: token requests of that application.
requests() {
    grep '"endpoint": "token"' "$entra/requests.log" | grep "\"client_id\": \"$1\"" | grep -c "\"outcome\": \"$2\""
}

# asked COUNT CLIENT...: each of these applications got so many tokens.
asked() {
    asked_count=$1
    shift
    for asked_client; do
        [ "$(requests "$asked_client" ok)" -ge "$asked_count" ] || return 1
    done
}
# Those of Fabrikam have two sign-ins: the system's and Bob's own.
all_renewed() {
    asked 2 $APP_ONLY_CLIENT $ADATUM_CLIENT $GMAIL_CLIENT && asked 4 $DELEGATED_CLIENT
}
others_renewed() {
    asked 3 $APP_ONLY_CLIENT $GMAIL_CLIENT && asked 6 $DELEGATED_CLIENT && [ "$(logins)" -ge $LOGINS ]
}

# ---- what the servers saw

# tokens_fit: each mailbox was opened with a token of its own tenant, application, kind and audience, and none refused.
tokens_fit() {
    python3 - "$entra/requests.log" <<END
import json, sys
MICROSOFT, OUTLOOK = "https://outlook.office365.com/.default", "https://outlook.office.com/"
CONTOSO = ("contoso.onmicrosoft.com", "$APP_ONLY_CLIENT", "client_credentials", MICROSOFT)
FABRIKAM = ("fabrikam.com", "$DELEGATED_CLIENT", "refresh_token", OUTLOOK)
OWNERS = {"$RELAY": CONTOSO, "$BOX": CONTOSO, "$BOB": FABRIKAM, "$INFO": FABRIKAM,
          "$POST": ("adatum.example", "$ADATUM_CLIENT", "client_credentials", MICROSOFT),
          "$GINA": ("gmail.example", "$GMAIL_CLIENT", "refresh_token", "https://mail.google.com/")}
issued, opened, wrong = {}, set(), 0
for line in open(sys.argv[1]):
    row = json.loads(line)
    digest = row.get("access_token_sha256")
    if row["endpoint"] == "token" and digest:
        issued[digest] = tuple(row[name] for name in ("tenant", "client_id", "grant_type", "scope"))
    elif row["endpoint"] == "may-open":
        owner, token = OWNERS.get(row["mailbox"], ()), issued.get(digest, ())
        fits = owner and token[:3] == owner[:3] and token[3].startswith(owner[3]) and row["outcome"] == "allow"
        if not fits:
            print("wrong:", row, token)
        opened.add(row["mailbox"])
        wrong += not fits
missing = OWNERS.keys() - opened
sys.exit(f"{wrong} wrong, never opened: {missing}" if wrong or missing else 0)
END
}

# server_agrees SERVER: it let in whom the programs say, as often and by the same mechanism, and turned nobody away.
server_agrees() {
    grep "^$1 " "$S/worked" | sort | uniq -c >"$S/told.$1"
    sed -n "s/.*imap-login: Info: Login: user=<\(.*\)>, method=\([^,]*\),.*/$1 \1 \2/p" "$S/$1/dovecot.log" | sort |
        uniq -c | diff "$S/told.$1" - && fails 1 grep 'imap-login: .*auth failed' "$S/$1/dovecot.log"
}

# pulled_own NAME DIRECTORY: its mail came, and nobody else's.
pulled_own() {
    equals "Subject: for $1" "$(grep -rh '^Subject: ' "$2/mail/INBOX")"
}

# senders_fit: Exchange took all mails, each from the mailbox that had logged in.
senders_fit() {
    for sender in $RELAY $BOX $BOB $INFO $POST; do
        echo "$MAILS $sender $sender"
    done | sort >"$S/wanted"
    python3 -c 'import collections, json, sys
count = collections.Counter((mail["login"], mail["from"]) for mail in (json.load(open(name)) for name in sys.argv[1:]))
print("\n".join(sorted(f"{times} {login} {sender}" for (login, sender), times in count.items())))' "$exchange"/mail/*.json |
        diff "$S/wanted" -
}

# logged_in_as HOME: how the clients of that Postfix logged in.
logged_in_as() {
    sed -n 's/.* sasl_method=\([^,]*\), sasl_username=\(.*\)/\1 \2/p' "$1/mail.log" | sort -u
}

# bounded NAME CLIENT SIGN_INS: no more requests than tokens had to be renewed, and a few for the start.
bounded() {
    check "$1: a request for each token that ended, no more" \
        at_most $(($3 * ((ended - began) / (LIFETIME / 2) + 2))) "$(requests "$2" ok)"
}

integration_begin
entra_start
tenants_begin
settings "{\"access_token_lifetime\": $LIFETIME, \"refresh_rotation\": \"single_use\", \"reuse_detection\": true}"
system_conf | sasl_conf
began=$(date +%s)
people_sign_in
gmail_start
microsoft_start
password_relay_start
host_start

# ---- all at once

traffic_start
mails
check "every account is in use, and its token is renewed" wait_for 90 all_renewed
check "meanwhile every sender's mail goes out" wait_for 60 all_sent $RELAY $BOX $BOB $INFO $POST $GINA $OTHER

# ---- one tenant turns its application away

rm "$S/post.busy"
printf '{"certificates": []}' >"$S/none.json"
ask "apps/$ADATUM_CLIENT" "$S/none.json"
# shellcheck disable=SC2086 # a list
wait $POST_WORKERS
sasl_bearer logout $POST >"$S/logout.out"
mails
check "one application is refused: the others' mail goes out" wait_for 60 all_sent $RELAY $BOX $BOB $INFO $GINA $OTHER
check "its own mail waits" equals $((MAILS - ROUND)) "$(sent $POST)"
check "the log says whom it concerns, and why" relay_told AADSTS700027 $POST app_only AADSTS700027
check "and nobody else" fails 1 sh -c 'grep "SASL authentication problem" "$1" | grep -v " account=$2 "' - \
    "$RELAY_HOME/mail.log" $POST
check "the others' tokens go on being renewed, and $LOGINS logins have worked" wait_for 90 others_renewed
check "one refusal is enough for all of its mail" at_most 2 "$(requests $ADATUM_CLIENT refused)"
python3 -c 'import json, sys
print(json.dumps({"certificates": [open(sys.argv[1]).read()]}))' "$S/post.crt" >"$S/known.json"
ask "apps/$ADATUM_CLIENT" "$S/known.json"
sasl_bearer renew $POST >>"$S/renew.out"
postfix_flush "$RELAY_HOME"
check "once it is known again, its mail goes too" wait_for 60 all_sent $POST

# ---- no cross-talk

traffic_stop
check "no program was turned away" fails 1 grep '^no ' "$S/worked"
check "each mailbox was opened with a token of its own tenant, application and audience" tokens_fit
for server in dovecot gmail; do
    check "$server let in whom the programs say, as often, and turned nobody away" server_agrees $server
done
for mailbox in $RELAY $BOX $INFO $POST $GINA; do
    check "mbsync fetched what is in $mailbox, and nothing else" pulled_own $mailbox "$S/pull.$mailbox"
done
check "Exchange got every mail from the mailbox that logged in" senders_fit
check "Gmail's SMTP server knows Gina alone, by OAUTHBEARER" equals "OAUTHBEARER $GINA" "$(logged_in_as "$S/gsmtpd")"
check "the relay with a password got that, by PLAIN" equals "PLAIN $PLAIN" "$(logged_in_as "$S/psmtpd")"
check "each time, and never a token" equals "allow $MAILS" \
    "$(grep '"endpoint": "check-password"' "$entra/requests.log" | sed 's/.*"outcome": "\([a-z]*\)".*/\1/' | sort | uniq -c |
        awk '{ print $2, $1 }')"
check "no token server ever saw the password" fails 1 grep mail_password "$entra/requests.log"
bounded Contoso $APP_ONLY_CLIENT 1
bounded Fabrikam $DELEGATED_CLIENT 2
bounded Adatum $ADATUM_CLIENT 1
bounded Gmail $GMAIL_CLIENT 1
for client in $APP_ONLY_CLIENT $DELEGATED_CLIENT $GMAIL_CLIENT; do
    check "nothing was refused to $client" equals 0 "$(requests $client refused)"
done

# ---- Bob's sign-in, and the administrator's for him

system_store() {
    stat -c '%a %u' "$(token_file $BOB)"
}
user_store() {
    (cd "$USER_HOME/.local/state/sasl-bearer" && stat -c '%n %a %u' -- *)
}
for number in 1 2; do
    check "the user's mbsync fetched what is in $BOB, and nothing else ($number)" pulled_own $BOB "$USER_HOME/$number"
done
check "the system's token is root's" equals "600 0" "$(system_store)"
check "the user's is the user's, and the only one there" equals "delegated-$BOB.token 600 $USER_ID" "$(user_store)"
for turn in 1 2; do
    run sasl_bearer renew $BOB
    check "after all that the system's sign-in is good ($turn)" equals "0 " "$STATUS $ERR"
    run as_bob "$bindir/sasl-bearer" renew $BOB
    check "and so is the user's ($turn)" equals "0 " "$STATUS $ERR"
done
check "they have different tokens" test "$(sasl_bearer token $BOB)" != "$(as_bob "$bindir/sasl-bearer" token $BOB)"
run as_bob "$bindir/sasl-bearer" token $RELAY
check "the user does not get the application's token" test "$STATUS" -ne 0 -a -z "$OUT"
echo "# $(logins) logins by IMAP, $((MAILS * 7)) mails in $((ended - began)) s"
integration_end
