#!/bin/sh
# Another party's word in place of a secret: its file is read anew for each request; the environment that workloads in Azure
# have; what each mistake is called; and a jailed Postfix, which leaves all this to the renewer.
. "${0%/*}/lib.sh"
unset AZURE_FEDERATED_TOKEN_FILE AZURE_AUTHORITY_HOST

A='*@contoso.com'
U=relay@contoso.com
TENANT=11111111-1111-4111-8111-111111111111
ISSUER=https://cluster.example
SUBJECT=system:serviceaccount:mail:relay
AUDIENCE=api://AzureADTokenExchange

# word NAME=VALUE...: the other party's word, with other values than the usual ones, takes the place of the one in the file,
# by rename.  Values are JSON.
word() {
    control federated-tokens "$(python3 -c 'import json, sys
members = {"issuer": sys.argv[1], "subject": sys.argv[2], "audience": sys.argv[3]}
for argument in sys.argv[4:]:
    name, value = argument.split("=", 1)
    members[name] = json.loads(value)
print(json.dumps(members))' $ISSUER $SUBJECT $AUDIENCE "$@")" | json_member token >"$S/secret-new"
    mv "$S/secret-new" "$S/secret-word"
}

# trusts JSON: the registration's federated credentials.
trusts() {
    control "apps/$APP_ONLY_CLIENT" "{\"federated_credentials\": $1}" >/dev/null
}
trusts_the_cluster() {
    trusts "[{\"issuer\": \"$ISSUER\", \"subject\": \"$SUBJECT\", \"audience\": \"$AUDIENCE\"}]"
}

# by_file [LINE...] / by_environment [LINE...]: sasl.conf names all, or next to nothing; the lines belong to the section.
by_file() {
    {
        section_app_only "$A" | grep -v '^oauth2_client_secret'
        echo "oauth2_federated_token_file: $S/secret-word"
        [ $# -eq 0 ] || printf '%s\n' "$@"
    } | sasl_conf
    rm -f "$STORE"/*
}
by_environment() {
    {
        printf '[%s]\noauth2_provider: app_only\n' "$A"
        [ $# -eq 0 ] || printf '%s\n' "$@"
    } | sasl_conf
    rm -f "$STORE"/*
}

# workload [VARIABLE=VALUE...] COMMAND...: with the environment of a workload, or that but for some of it.
workload() (
    AZURE_FEDERATED_TOKEN_FILE=$S/secret-word AZURE_CLIENT_ID=$APP_ONLY_CLIENT AZURE_TENANT_ID=$TENANT
    export AZURE_FEDERATED_TOKEN_FILE AZURE_CLIENT_ID AZURE_TENANT_ID
    while case $1 in AZURE_*=*) ;; *) false ;; esac; do
        export "${1?}"
        shift
    done
    "$@"
)

renew() {
    run sasl_bearer renew $U
}

# refused NAME NUMBER TEXT: the next request is, with this number and this remedy.
refused() {
    renew
    check "$1: the number" remark 77 "AADSTS$2: "
    check "$1: what to do" says "$3" "$ERR"
}

is_past() {
    [ "$(date +%s)" -gt "$1" ]
}

# A proxy that notes to whom it is asked to connect, and connects nobody.
proxy_source() {
    cat <<'END'
import os, socket, sys
server = socket.create_server(("127.0.0.1", 0))
with open(sys.argv[1] + ".new", "w") as out:
    out.write(str(server.getsockname()[1]))
os.rename(sys.argv[1] + ".new", sys.argv[1])
while True:
    peer, _ = server.accept()
    with peer, open(sys.argv[2], "a") as log:
        log.write(peer.recv(4096).decode("ascii", "replace").split("\r\n")[0] + "\n")
        log.flush()
        peer.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
END
}

proxy_start() {
    proxy_source >"$S/proxy.py"
    python3 "$S/proxy.py" "$S/proxy.port" "$S/proxy.log" &
    proxy_pid=$!
    fixture wait_for 20 test -f "$S/proxy.port"
    PROXY=http://127.0.0.1:$(cat "$S/proxy.port")
}

proxy_stop() {
    if [ -n "${proxy_pid:-}" ]; then
        kill "$proxy_pid" 2>/dev/null
        wait "$proxy_pid" 2>/dev/null
        proxy_pid=
    fi
}

# goes_to HOST COMMAND...: the command asks that host for a token, as far as it gets.
goes_to() {
    goes_to_host=$1
    shift
    : >"$S/proxy.log"
    run "$@"
    equals 75 "$STATUS" && says "cannot reach https://$goes_to_host" "$ERR" &&
        equals "CONNECT $goes_to_host:443 HTTP/1.1" "$(sort -u "$S/proxy.log")"
}

integration_begin
trap 'proxy_stop; integration_clean' EXIT
entra_start
servers_start

# ---- the file

trusts_the_cluster
word lifetime=12
expires=$(($(date +%s) + 12))
by_file
check "an application that the cluster vouches for opens its mailbox" cyrus_login imtest "$DOVECOT_IMAP_PORT" $U XOAUTH2
check "with one request" equals 1 "$(counter token.client_credentials)"
check "by OAUTHBEARER too" cyrus_login imtest "$DOVECOT_IMAP_PORT" $U OAUTHBEARER
renew
check "the same word is good for another request" equals "0 " "$STATUS $ERR"
wait_for 20 is_past "$expires"
refused "until it ends" 700024 "who renews oauth2_federated_token_file: it may be stale"
run sasl_bearer token $U
check "meanwhile the access token serves to its end" equals 0 "$STATUS"
word
renew
check "the next word, which took its place, is read" equals "0 " "$STATUS $ERR"
rm "$S/secret-word"
renew
check "a file that is not there is for the administrator" remark 78 "cannot open '$S/secret-word': No such file or directory"
check "the token in hand serves all the same" equals 0 "$(sasl_bearer token $U >"$S/secret-out"; echo $?)"
printf '' >"$S/secret-word"
renew
check "an empty one too" remark 78 "'$S/secret-word' must hold the federated token and nothing else, on one line"
word
chmod 644 "$S/secret-word"
renew
check "others may read it: Kubernetes lets them" equals "0 " "$STATUS $ERR"

# One process from beginning to end, which keeps its token to itself.
by_file 'oauth2_token_store: none'
sed -i '1i oauth2_jailed_programs: none' "$SASL_CONF_PATH/sasl.conf"
relay_start --unchrooted
word lifetime=3
expires=$(($(date +%s) + 3))
settings '{"access_token_lifetime": 2}'
relay_send $U alice@contoso.com
check "an smtp(8) without jail sends with it" equals sent "$OUTCOME"
first=$(postfix_pids "$RELAY_HOME" smtp)
wait_for 10 is_past "$expires"
word
settings '{"access_token_lifetime": 3600}'
relay_send $U alice@contoso.com
check "and with the next one, in the same process" equals "sent $first" "$OUTCOME $(postfix_pids "$RELAY_HOME" smtp)"
check "Postfix' log has no complaint" fails 1 postfix_complaints "$RELAY_HOME"
postfix_stop "$RELAY_HOME"

# ---- mistakes, each by its number

by_file
trusts '[]'
refused "no federated credential" 7000226 "add a federated credential to the application"
trusts_the_cluster
word 'issuer="https://other.example"'
refused "another issuer" 700211 "compare the issuer of the federated credential exactly, case and last slash too"
word 'subject="system:serviceaccount:Mail:relay"'
refused "another subject" 700213 "compare the subject of the federated credential exactly, case too"
word 'audience="api://AzureADTokenExchange/"'
refused "another audience" 700212 "compare the audience of the federated credential exactly"
word stranger=true
refused "another key" 50013 "have a fresh token written to oauth2_federated_token_file"
word 'header={"alg": "none"}'
refused "another algorithm" 50027 "have a fresh token written to oauth2_federated_token_file: a JWT and nothing else"
printf 'https://no.jwt.example' >"$S/secret-word"
refused "something else altogether" 50027 "a JWT and nothing else"
word 'claims={"nbf": 4102444800, "iat": 4102444800}'
refused "from the future" 700024 "check this machine's clock"
word
for number in 70021 500133 700229 700231; do
    settings "{\"fail\": {\"aadsts\": $number}}"
    renew
    check "AADSTS$number is told" remark 77 "AADSTS$number: "
done
settings '{"fail": null}'
renew
check "when all is right it comes at once" equals "0 " "$STATUS $ERR"
check "no word was shown to anybody" says_not "$(cut -d. -f2 "$S/secret-word")" "$(cat "$S/errors.written")"

# ---- the environment

by_environment "oauth2_token_endpoint: $AUTHORITY/$TENANT/oauth2/v2.0/token"
run workload sasl_bearer renew $U
check "a workload's environment is all that it takes" equals "0 " "$STATUS $ERR"
check "imtest logs in there" workload cyrus_login imtest "$DOVECOT_IMAP_PORT" $U XOAUTH2
run sasl_bearer renew $U
check "outside, the section says what it lacks" remark 78 "oauth2_client_id"
run workload AZURE_FEDERATED_TOKEN_FILE=relative sasl_bearer renew $U
check "a path must be absolute, and it is told where it comes from" remark 78 \
    "environment variable AZURE_FEDERATED_TOKEN_FILE"
run workload AZURE_AUTHORITY_HOST=https://login.example.com/ sasl_bearer renew $U
check "an endpoint in sasl.conf leaves the authority no say" equals "0 " "$STATUS $ERR"
echo "oauth2_client_secret_file: $S/secret" >>"$SASL_CONF_PATH/sasl.conf"
run workload AZURE_FEDERATED_TOKEN_FILE="$S/missing" sasl_bearer renew $U
check "an application with a credential of its own does not look there" equals "0 " "$STATUS $ERR"

proxy_start
by_environment "oauth2_proxy: $PROXY"
check "the authority chooses the cloud: the US Government's" goes_to login.microsoftonline.us \
    workload AZURE_AUTHORITY_HOST=https://login.microsoftonline.us/ sasl_bearer renew $U
check "China's, without the last slash" goes_to login.partner.microsoftonline.cn \
    workload AZURE_AUTHORITY_HOST=https://login.partner.microsoftonline.cn sasl_bearer renew $U
check "everybody's, in whatever case" goes_to login.microsoftonline.com \
    workload AZURE_AUTHORITY_HOST=https://Login.MicrosoftOnline.com/ sasl_bearer renew $U
check "everybody's where none is named" goes_to login.microsoftonline.com workload sasl_bearer renew $U
: >"$S/proxy.log"
for host in https://login.example.com/ https://login.microsoftonline.us.example.com/ http://login.microsoftonline.us/ \
    https://login.microsoftonline.us@example.com/ https://localhost:8443/; do
    run workload AZURE_AUTHORITY_HOST=$host sasl_bearer renew $U
    check "nobody goes to $host, which the environment names" remark 78 \
        "the environment variable AZURE_AUTHORITY_HOST is '$host', which is no cloud of Microsoft's that is known here"
done
check "nobody went anywhere" equals "" "$(cat "$S/proxy.log")"

# ---- in Postfix' jail

by_file
relay_start
relay_send $U alice@contoso.com
check "a chrooted smtp(8) cannot follow the file" equals deferred "$OUTCOME"
check "and asks for the renewer" relay_told "is sasl-bearer-renew.timer running?" $U app_only local
check "naming what it cannot follow" relay_told "oauth2_federated_token_file cannot be followed" $U app_only local
run sasl_bearer renew --all
check "the renewer comes" says "$A: renewed" "$OUT"
check "and the mail goes out" equals sent "$(postfix_retry "$RELAY_HOME" "$QUEUE_ID")"
complaints=$(grep -c 'SASL authentication' "$RELAY_HOME/mail.log")
word
run sasl_bearer renew $U
requests=$(counter token.client_credentials)
relay_send $U alice@contoso.com
check "with the next token as well" equals "sent $requests" "$OUTCOME $(counter token.client_credentials)"
check "nothing was said about that" equals "$complaints" "$(grep -c 'SASL authentication' "$RELAY_HOME/mail.log")"
settings '{"access_token_lifetime": 1}'
run sasl_bearer renew $U
settings '{"access_token_lifetime": 3600}'
expires=$(($(date +%s) + 1))
wait_for 10 is_past "$expires"
relay_send $U alice@contoso.com
check "when the renewer stays away the mail waits" equals deferred "$OUTCOME"
check "and the log asks for it again" at_most "$(grep -c 'is sasl-bearer-renew.timer running' "$RELAY_HOME/mail.log")" 2
run sasl_bearer renew --all
check "it comes, and the mail goes out" equals sent "$(postfix_retry "$RELAY_HOME" "$QUEUE_ID")"
check "the word was not copied into the jail" test -z "$(find "$RELAY_JAIL" -name 'secret-word*')"
integration_end
