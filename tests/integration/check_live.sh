#!/bin/sh
# `sasl-bearer check` at work: network, token and logins.  What is healthy is called so, as any program and as Postfix' smtp(8) in
# its jail; each thing that can be wrong is provoked, named and given a remedy.
. "${0%/*}/lib.sh"

# look ARGUMENT...: sets FOUND to what a check finds.
look() {
    examine sasl_bearer check --json "$@"
}

# healthy: no warning and no problem in what is looked at here.
healthy() {
    ! printf '%s\n' "$FOUND" | grep -E '^(warning|problem) (network|token|login): '
}

# refused PROTOCOL.STAGE REPLY MEANING REMEDY: with this reply of the server, the finding names meaning and remedy.
refused() {
    settings "{\"mail_replies\": {\"$1\": \"$2\"}}"
    case $1 in
    imap.*) look --server "$IMAPS" relay@contoso.com ;;
    pop.*) look --server "$POPS" relay@contoso.com ;;
    *.rcpt | *.data) look --server "$SMTP" --send-to alice@contoso.com relay@contoso.com ;;
    *) look --server "$SMTP" relay@contoso.com ;;
    esac
    settings '{"mail_replies": {}}'
    check "$2: $3" found problem login "'$2': $3" "$4"
}

# app SECRET CLIENT: relay@contoso.com is opened by this application from now on.
app() {
    secret_file "$1" >"$S/secret.other"
    chmod 600 "$S/secret.other"
    section_app_only relay@contoso.com | sed "s/$APP_ONLY_CLIENT/$2/; s|$S/secret|$S/secret.other|" | sasl_conf
}

usual_conf() {
    {
        section_app_only '*@contoso.com'
        section_delegated '*@fabrikam.com' fabrikam.com
        for shared in info team; do
            printf '[%s@fabrikam.com]\noauth2_identity: bob@fabrikam.com\n' "$shared"
        done
    } | sasl_conf
}

integration_begin
entra_start
usual_conf
exchange_start
IMAPS=imaps://localhost:$(json_member imaps_port <"$exchange/ready.json")
POPS=pop3s://localhost:$(json_member pops_port <"$exchange/ready.json")
POP=pop3://localhost:$(json_member pop_port <"$exchange/ready.json")
IMAP=imap://localhost:$EXCHANGE_IMAP_PORT
SMTP=smtp://localhost:$EXCHANGE_SMTP_PORT
ALL="--server $IMAPS --server $IMAP --server $POPS --server $POP --server $SMTP"
RELAY_TO=$EXCHANGE_SMTP_PORT
relay_start
MAIL_CONFIG=$RELAY_HOME/etc # as postconf(1) finds it: this Postfix is the machine's
export MAIL_CONFIG

# ---- healthy

# shellcheck disable=SC2086 # a list
look $ALL relay@contoso.com
check "an application on its own: all is well" healthy
check "the tenant was found" found ok network "the tenant exists"
check "the clock was compared" found ok network "the clock differs by"
for protocol in imap pop3 smtp; do
    check "the token allows $protocol" found ok token "it allows $protocol"
done
check "what New-ServicePrincipal needs is shown" found ok token \
    "New-ServicePrincipal -AppId $APP_ONLY_CLIENT -ObjectId 5e5e5e5e-1111-4111-8111-000000000001"
for server in "$IMAPS" "$IMAP"; do
    check "$server opens" found ok login "$server: logged in as relay@contoso.com with XOAUTH2; INBOX opens"
done
for server in "$POPS" "$POP"; do
    check "$server opens" found ok login "$server: logged in as relay@contoso.com with XOAUTH2; the mailbox opens"
done
check "SMTP is smtp(8)'s: as its user, in its jail" found ok login \
    "$SMTP: logged in as relay@contoso.com with XOAUTH2, as user postfix in the jail $RELAY_JAIL; the sender is accepted"
check "that nothing was sent is said" found skipped login "no message was sent (--send-to)"
check "nothing was sent" test ! -e "$exchange/mail/1.eml"

look --server "$SMTP" --send-to alice@contoso.com relay@contoso.com
check "a message is sent on demand" found ok login "the message was taken"
check "it has come with all it needs" grep -q '^Message-ID: <.*@contoso.com>' "$exchange/mail/1.eml"

sign_in bob@fabrikam.com
# shellcheck disable=SC2086
look $ALL bob@fabrikam.com
check "a person: all is well" healthy
check "whose token it is" found ok token "it is bob@fabrikam.com's own"
# shellcheck disable=SC2086
look $ALL info@fabrikam.com
check "a shared mailbox: all is well" healthy
check "whose token it is, and what he needs" found ok token "it is bob@fabrikam.com's, who must have FullAccess on info@fabrikam.com"

look
check "without a user the network is looked at, for all accounts" found ok network "/fabrikam.com/v2.0/.well-known/openid-configuration answers"
check "and that there are no logins is said" found skipped login "no user was named" "name a user"

postconf -c "$MAIL_CONFIG" -F smtp/unix/chroot=n
look --server "$SMTP" relay@contoso.com
check "an unjailed smtp(8) is user postfix all the same" found ok login "with XOAUTH2, as user postfix; the sender"
postconf -c "$MAIL_CONFIG" -M 'm365/unix=m365 unix - - y - - smtp -o smtp_sasl_mechanism_filter=xoauth2'
postconf -c "$MAIL_CONFIG" -e default_transport=m365
look --server "$SMTP" relay@contoso.com
check "what our mail's own transport does counts, not smtp" found ok login "with XOAUTH2, as user postfix in the jail $RELAY_JAIL; the sender"
postconf -c "$MAIL_CONFIG" -MX m365/unix
postconf -c "$MAIL_CONFIG" -X default_transport
postconf -c "$MAIL_CONFIG" -F smtp/unix/chroot=y

# A Postfix that does not log in yet has no say in how SMTP is tried.
for setting in smtp_sasl_auth_enable=no smtp_sasl_password_maps= smtp_sasl_password_maps=texthash:/dev/null; do
    kept=$(postconf -c "$MAIL_CONFIG" -h "${setting%%=*}")
    postfix_set "$RELAY_HOME" "$setting"
    look --server "$SMTP" relay@contoso.com
    check "$setting: SMTP is tried as whoever asks" found ok login "$SMTP: logged in as relay@contoso.com with XOAUTH2; the sender is accepted"
    check "$setting: which is said" found skipped login "SMTP is tried as this user, not as Postfix' smtp(8)" "see postfix above"
    postfix_set "$RELAY_HOME" "${setting%%=*}=$kept"
done

# It says so; is it so?
printf 'oauth2_jailed_programs: lmtp\n' >"$S/jailed.conf"
cat "$SASL_CONF_PATH/sasl.conf" >>"$S/jailed.conf"
cp "$S/jailed.conf" "$SASL_CONF_PATH/sasl.conf"
look --server "$SMTP" --server "$IMAPS" relay@contoso.com
check "a jail without what was opened before it has no token" found problem login "$SMTP: the login fails: "
check "which is no trouble for others" found ok login "INBOX opens"
postconf -c "$MAIL_CONFIG" -F smtp/unix/chroot=n
look --server "$SMTP" relay@contoso.com
check "user postfix may not read what is root's" found problem login "$SMTP: the login fails: "
postconf -c "$MAIL_CONFIG" -F smtp/unix/chroot=y
usual_conf
cp "$RELAY_JAIL/etc/hosts" "$S/hosts"
echo '127.0.0.3 localhost' >"$RELAY_JAIL/etc/hosts"
look --server "$SMTP" --server "$IMAPS" relay@contoso.com
check "in the jail, the jail's /etc/hosts counts" found problem login "$SMTP: it cannot be reached: cannot connect" "etc/resolv.conf there"
check "outside it does not" found ok login "INBOX opens"
cp "$S/hosts" "$RELAY_JAIL/etc/hosts"

look --server "$IMAPS" --verbose relay@contoso.com
check "the conversation can be shown" found ok login "> A2 AUTHENTICATE XOAUTH2"
check "but the token never" found ok login "> ***"

# ---- the token

usual_conf
sed "s|^\[\*@fabrikam.com\]|&\noauth2_scope: https://graph.microsoft.com/User.Read offline_access|" "$SASL_CONF_PATH/sasl.conf" >"$S/graph.conf"
cp "$S/graph.conf" "$SASL_CONF_PATH/sasl.conf"
sign_in bob@fabrikam.com
look --server "$IMAPS" --server "$SMTP" bob@fabrikam.com
check "a token for Graph is named" found problem token "the token is for Microsoft Graph" "oauth2_scope"
check "IMAP refuses it" found problem login "'NO AUTHENTICATE failed.': Exchange does not say why" "first look at what the token says"
check "SMTP refuses it" found problem login "'535 5.7.3 Authentication unsuccessful" "first look at what the token says"

sed "s|https://graph.microsoft.com/User.Read|SMTP.Send|" "$S/graph.conf" >"$SASL_CONF_PATH/sasl.conf"
sign_in bob@fabrikam.com
look --server "$IMAPS" --server "$SMTP" bob@fabrikam.com
check "a scope that is missing is named" found warning token "it does not allow imap: IMAP.AccessAsUser.All is not among its scopes" "consent"
check "what is not missing is not" found ok token "it allows smtp (SMTP.Send)"

app no_roles_client_secret 4f5a9f88-1111-4111-8111-000000000004
look --server "$IMAPS" --server "$SMTP" relay@contoso.com
check "a token without any role is named" found warning token "it names no permission at all" "consent"
check "a role that is missing is named" found warning token "it does not allow imap: IMAP.AccessAsApp is not among its roles" "consent"

app rbac_client_secret 4f5a9f88-1111-4111-8111-000000000006
look --server "$SMTP" relay@contoso.com
check "with RBAC for Applications there is no role" found warning token "SMTP.SendAsApp is not among its roles" "with RBAC for Applications it is right"
check "and SMTP works all the same" found ok login "the sender is accepted"

app unknown_to_exchange_client_secret 4f5a9f88-1111-4111-8111-000000000005
look --server "$IMAPS" relay@contoso.com
check "a service principal that Exchange does not know" found problem login "the service principal is not registered" \
    "Add-MailboxPermission -Identity relay@contoso.com -User 5e5e5e5e-1111-4111-8111-000000000009 -AccessRights FullAccess"
check "and which of its two object ids it must know" found problem login "the service principal is not registered" \
    "under Enterprise applications, not under App registrations"

settings '{"access_token_lifetime": 500}'
usual_conf
sasl_bearer renew relay@contoso.com
look --server "$IMAPS" relay@contoso.com
check "a token too short for High Volume Email is named" found warning token "too short for High Volume Email"
settings '{"access_token_lifetime": 3600}'
sasl_bearer renew relay@contoso.com

section_delegated '*@outlook.com' consumers | sed 's/^oauth2_tenant/oauth2_service: outlook\noauth2_servers: localhost\n&/' | sasl_conf
sign_in dana@outlook.com
look --server "$IMAPS" dana@outlook.com
check "an opaque token is called so" found ok token "it is opaque"
check "and works" found ok login "INBOX opens"

# Brought by somebody else: from another tenant, of another application.
printf '#!/bin/sh\ncat %s\n' "$S/secret.alice" >"$S/print_token"
chmod 700 "$S/print_token"
access_token alice@contoso.com >"$S/secret.alice"
chmod 600 "$S/secret.alice"
sasl_conf <<CONF
[alice@contoso.com]
oauth2_provider: command
oauth2_token_command: $S/print_token
oauth2_tenant: 22222222-2222-4222-8222-222222222222
oauth2_client_id: 99999999-2222-4222-8222-0123456789ab
CONF
look --server "$IMAPS" alice@contoso.com
check "a token of another tenant is named" found problem token \
    "from tenant 11111111-1111-4111-8111-111111111111, not from 22222222-2222-4222-8222-222222222222" "oauth2_tenant"
check "so is that of another application" found warning token "it was issued to application $DELEGATED_CLIENT" "oauth2_client_id"
check "there is no authority to look at" found skipped network "provider command asks no authority"

usual_conf
look --server "$IMAPS" erin@fabrikam.com
check "somebody who has not signed in" found problem store "erin@fabrikam.com: nobody has signed in" "run sasl-bearer login erin@fabrikam.com"
check "which is one problem" equals 1 "$(printf '%s\n' "$FOUND" | grep -c '^problem ')"
check "until then no token is looked at" found skipped token "there is no token to look at" "first sign in"
check "and nobody logs in" found skipped login "no logins: there is no token" "first sign in"

# ---- mailboxes

control users/relay@contoso.com '{"imap": false}' >/dev/null
look --server "$IMAPS" --server "$POPS" relay@contoso.com
check "IMAP is off for the mailbox" found problem login "or IMAP is off for it" "Set-CASMailbox -Identity relay@contoso.com -ImapEnabled \$true"
check "POP is not" found ok login "the mailbox opens"
settings '{"refusal_style": "late"}'
look --server "$IMAPS" relay@contoso.com
check "logged in, but not connected" found problem login \
    "logged in, but what comes then fails: 'BAD User is authenticated but not connected.': the token is good, but the mailbox was not opened" \
    "-AccessRights FullAccess"
settings '{"refusal_style": "exchange"}'
control users/relay@contoso.com '{"imap": true, "pop": false}' >/dev/null
look --server "$POPS" relay@contoso.com
check "POP is off for the mailbox" found problem login "or POP is off for it" "Set-CASMailbox -Identity relay@contoso.com -PopEnabled \$true"
control users/relay@contoso.com '{"pop": true}' >/dev/null

look --server "$IMAPS" ceo@contoso.com
check "a mailbox that the application may not open" found problem login "'NO AUTHENTICATE failed.'" "-Identity ceo@contoso.com -User 5e5e5e5e"

control users/team@fabrikam.com '{"full_access": ["bob@fabrikam.com"]}' >/dev/null
sign_in bob@fabrikam.com
look --server "$IMAPS" --server "$SMTP" --send-to ann@example.com team@fabrikam.com
check "FullAccess opens the mailbox" found ok login "INBOX opens"
check "but sending as it is refused after DATA" found problem login \
    "'554 5.2.252 SendAsDenied; team@fabrikam.com not allowed to send as team@fabrikam.com" \
    "Add-RecipientPermission -Identity team@fabrikam.com -Trustee bob@fabrikam.com -AccessRights SendAs"

# ---- what servers say

refused smtp.auth '535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information. [X]' \
    'SMTP AUTH is switched off for the whole organisation' 'Set-CASMailbox -Identity relay@contoso.com -SmtpClientAuthenticationDisabled $false'
refused smtp.auth '535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox. Visit https://aka.ms/smtp_auth_disabled for more information. [X]' \
    'SMTP AUTH is switched off for this mailbox' 'Set-CASMailbox -Identity relay@contoso.com -SmtpClientAuthenticationDisabled $false'
refused smtp.auth '535 5.7.139 Authentication unsuccessful, basic authentication is disabled. [X]' 'Exchange was given a password' 'xoauth2'
refused smtp.auth "535 5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy. Contact your administrator. [X]" \
    "the tenant's security defaults lock this user out" 'Conditional Access'
refused smtp.auth '535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated successfully. Contact your administrator. [X]' \
    'a policy stands in the way' 'sign-in log'
refused smtp.auth '501 5.5.127 Invalid XOAUTH2 auth data - Token will expire soon' 'High Volume Email takes no token in its last ten minutes' 'oauth2_min_lifetime'
refused smtp.auth '451 4.7.0 Temporary server error. Please try again later. PRX4' 'the server could not reach the mailbox' 'it passes'
refused smtp.use '530 5.7.57 Client not authenticated to send mail' 'the server does not see us as logged in' 'log in'
refused smtp.rcpt '550 5.5.105 Recipient is external' 'High Volume Email sends within the organisation only' 'smtp.office365.com'
refused smtp.data '550 5.7.60 SMTP; Client does not have permissions to send as this sender' 'the sender is not the mailbox that logged in' \
    'Add-RecipientPermission -Identity relay@contoso.com -Trustee 5e5e5e5e'
refused smtp.data '432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded' 'more than three connections' 'smtp_destination_concurrency_limit'
refused smtp.greeting '421 4.3.2 Service not active' 'the service is in maintenance' 'it passes'
refused imap.auth 'NO LOGIN failed.' 'Exchange was given a password' 'xoauth2'
refused pop.auth '-ERR Logon failure: unknown user name or bad password.' 'Exchange was given a password' 'xoauth2'
refused pop.auth '-ERR Protocol error. Connection is closed. 10' 'Exchange wants AUTH and the message in two lines' 'proxy'

settings '{"mail_replies": {"smtp.auth": "599 9.9.9 nobody has ever heard of this"}}'
look --server "$SMTP" relay@contoso.com
check "words that nobody knows are shown as they are" found problem login "'599 9.9.9 nobody has ever heard of this'" "look for these words"
settings '{"mail_replies": {}}'

settings '{"mail_mechanisms": "PLAIN LOGIN"}'
look --server "$IMAPS" --server "$POPS" --server "$SMTP" relay@contoso.com
for server in "$IMAPS" "$POPS" "$SMTP"; do
    check "$server offers no login with a token" found problem login "$server: the login fails: it offers no login with a token, only 'PLAIN LOGIN'" "right server"
done
settings '{"mail_mechanisms": "XOAUTH2"}'

# As Gmail and Dovecot do it: first a challenge, then the refusal.
settings '{"refusal_style": "challenge"}'
expire
look --server "$IMAPS" --server "$SMTP" relay@contoso.com
check "a challenge that a dead token got, at IMAP" found problem login "'NO AUTHENTICATE failed.': the server does not take this token" "sasl-bearer renew relay@contoso.com"
check "a challenge that a dead token got, at SMTP" found problem login ": the server does not take this token" "sasl-bearer renew relay@contoso.com"
sasl_bearer renew relay@contoso.com
settings '{"refusal_style": "exchange"}'

# ---- the way there

look --server "imaps://127.0.0.1:${IMAPS##*:}" relay@contoso.com
check "a server that sasl.conf does not name gets no token, and the line to add is shown" found problem login "oauth2_servers"

look --server "imaps://localhost:$(mail_port "$S/nobody")" relay@contoso.com
mail_ports_release "$S/nobody"
check "a server that is not there" found problem login "it cannot be reached: cannot connect to port" "firewalls"

look --server "imaps://localhost:$EXCHANGE_SMTP_PORT" relay@contoso.com
check "a port that does not speak TLS at once" found problem login "TLS fails: TLS broke" "check the server's name"

python3 -c 'import socket, ssl, sys
tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
tls.load_cert_chain(*sys.argv[1:3])
with socket.create_server(("127.0.0.2", 0)) as server:
    server.settimeout(60)
    print(server.getsockname()[1], flush=True)
    try:
        tls.wrap_socket(server.accept()[0], server_side=True)
    except OSError:
        pass' "$entra/localhost.pem" "$entra/localhost.key" >"$S/other.port" &
wait_for 20 test -s "$S/other.port"
look --server "imaps://127.0.0.2:$(cat "$S/other.port")" relay@contoso.com
check "a certificate for another host" found problem login "its certificate cannot be trusted: IP address mismatch" "check the server's name"

python3 -c 'import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    server.settimeout(60)
    print(server.getsockname()[1], flush=True)
    connection = server.accept()[0]
    connection.sendall(b"* OK hello\r\n")
    connection.recv(99)
    connection.sendall(b"* CAPABILITY IMAP4rev1 AUTH=XOAUTH2\r\nA1 OK\r\n")
    connection.recv(99)' >"$S/plain.port" &
wait_for 20 test -s "$S/plain.port"
look --server "imap://localhost:$(cat "$S/plain.port")" relay@contoso.com
check "a server without TLS gets no token" found problem login "it does not offer STARTTLS, and a token never goes where others can read it"

python3 "$top_srcdir/tests/entra/entra.py" --issue "$S/stranger" localhost
postfix_set "$RELAY_HOME" "smtp_tls_CAfile=$S/stranger/ca.pem"
look --server "$IMAPS" --server "$SMTP" relay@contoso.com
check "smtp(8) does not trust the server's authority" found problem login "$SMTP: TLS fails: its certificate cannot be trusted" "smtp_tls_CAfile"
check "others do" found ok login "INBOX opens"
postfix_set "$RELAY_HOME" "smtp_tls_CAfile=$CA"

kept=$(postconf -c "$MAIL_CONFIG" -h import_environment)
postfix_set "$RELAY_HOME" "import_environment=MAIL_CONFIG { SASL_PATH=$SASL_PATH }"
look --server "$IMAPS" --server "$SMTP" relay@contoso.com
check "smtp(8) is not told where sasl.conf is" found problem login "$SMTP: the login fails: libsasl2 has nothing for XOAUTH2" "import_environment"
check "others are" found ok login "INBOX opens"
postfix_set "$RELAY_HOME" "import_environment=$kept"

sed "s|^oauth2_token_endpoint: .*/contoso.onmicrosoft.com/|oauth2_token_endpoint: $AUTHORITY/contosso.com/|" "$SASL_CONF_PATH/sasl.conf" >"$S/typo.conf"
cp "$S/typo.conf" "$SASL_CONF_PATH/sasl.conf"
look --server "$IMAPS" relay@contoso.com
check "a tenant that does not exist" found problem network "AADSTS90002" "check oauth2_tenant for a typing mistake"
sed "s|$AUTHORITY|https://localhost:$(mail_port "$S/nobody")|" "$S/typo.conf" >"$SASL_CONF_PATH/sasl.conf"
mail_ports_release "$S/nobody"
look --server "$IMAPS" relay@contoso.com
check "an authority that is not there" found problem network "cannot reach https://localhost" "firewalls"
sed "s|^oauth2_ca_file: .*|oauth2_ca_file: $S/stranger/ca.pem|" "$S/typo.conf" >"$SASL_CONF_PATH/sasl.conf"
look --server "$IMAPS" relay@contoso.com
check "an authority whose certificate is a stranger's" found problem network "the certificate of https://localhost"
: >"$S/empty.pem"
sed "s|^oauth2_ca_file: .*|oauth2_ca_file: $S/empty.pem|" "$S/typo.conf" >"$SASL_CONF_PATH/sasl.conf"
look --server "$IMAPS" relay@contoso.com
check "a bundle without certificates" found problem network "no certificate in '$S/empty.pem'" "oauth2_ca_file"
sed "s|^oauth2_ca_file: .*|oauth2_ca_file: $S/nothing.pem|" "$S/typo.conf" >"$SASL_CONF_PATH/sasl.conf"
look --server "$IMAPS" relay@contoso.com
check "a bundle that is not there" found problem network "cannot read the certificates to trust in '$S/nothing.pem'" "ca-certificates"

# An authority whose clock is not ours: 200 s, then 400 s.
cat >"$S/clock.py" <<'PYTHON'
import email.utils, http.server, sys, time
class Clock(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"issuer": "clock"}')
    do_HEAD = do_GET
    def date_time_string(self, timestamp=None):
        return email.utils.formatdate(time.time() + int(sys.argv[1]), usegmt=True)
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Clock)
print(server.server_port, flush=True)
server.serve_forever()
PYTHON
for skew in -200 400; do
    rm -f "$S/clock.port"
    python3 "$S/clock.py" "$skew" >"$S/clock.port" &
    clock_pid=$!
    wait_for 20 test -s "$S/clock.port"
    usual_conf
    sed "s|^oauth2_token_endpoint: $AUTHORITY|oauth2_token_endpoint: http://localhost:$(cat "$S/clock.port")|" "$SASL_CONF_PATH/sasl.conf" >"$S/clock.conf"
    cp "$S/clock.conf" "$SASL_CONF_PATH/sasl.conf"
    look --server "$IMAPS" relay@contoso.com
    kill "$clock_pid"
    wait "$clock_pid" 2>/dev/null
    case $skew in
    -200) check "a clock that is fast" found warning network "the clock is 3 min fast" "NTP" ;;
    400) check "a clock that is very slow" found problem network "the clock is 6 min slow" "NTP" ;;
    esac
done

# ---- what cannot be tried

sasl_conf <<CONF
[*@contoso.com]
oauth2_service: custom
oauth2_servers: localhost
oauth2_provider: command
oauth2_token_command: $S/print_token
CONF
look alice@contoso.com
check "a service of one's own has no servers that we know" found skipped login "no logins: which mail servers" "--server imaps://HOST"
look --server gopher://localhost alice@contoso.com
check "what is no mail server's address is refused" found problem login "'gopher://localhost' is not a mail server"
look --server "$SMTP" --send-to 'a>b' alice@contoso.com
check "what is no address gets no message" found problem login "'a>b' is no address to send to"

# ---- other servers: Dovecot, and Postfix with its passwords

unset MAIL_CONFIG
servers_start
usual_conf
sasl_bearer renew relay@contoso.com
look --server "imap://localhost:$DOVECOT_IMAP_PORT" --server "pop3s://localhost:$DOVECOT_POP3S_PORT" relay@contoso.com
check "Dovecot opens" found ok login "INBOX opens"
check "by POP3 too" found ok login "the mailbox opens"
MAIL_CONFIG=$RELAY_HOME/etc
export MAIL_CONFIG
look --server "smtps://localhost:$SMTPS_PORT" --send-to alice@contoso.com relay@contoso.com
check "Postfix takes a message, with TLS from the start" found ok login "the message was taken"
look --server "imaps://localhost:$DOVECOT_IMAPS_PORT" ceo@contoso.com
check "Dovecot's challenge is understood" found problem login ": the server does not take this token" "check who may open this mailbox"

integration_end
