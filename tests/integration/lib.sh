# lib.sh - what integration tests share: an identity provider, mail servers, the installed program, and checks.
# To be sourced.  A test is a script of checks:
#
#     . "${0%/*}/lib.sh"
#     integration_begin
#     entra_start
#     ...
#     check "mail goes out" test "$(postfix_outcome "$RELAY_HOME" "$id")" = sent
#     integration_end
#
# From the environment: bindir, saslplugindir (where the program was installed).  top_srcdir defaults to the tree of this
# file.  SANITIZER, if set, is a library to be preloaded into programs that load the plugin.
set -u

integration_dir=$(cd "${0%/*}" && pwd)
top_srcdir=$(cd "${top_srcdir:-$integration_dir/../..}" && pwd)
: "${bindir:?where sasl-bearer was installed}" "${saslplugindir:?where libsaslbearer.so was installed}"
export PYTHONDONTWRITEBYTECODE=1
# The plugin must depend on nothing that a test run happens to have.
unset XDG_CONFIG_HOME XDG_STATE_HOME AZURE_TENANT_ID AZURE_CLIENT_ID SASL_CONF_PATH SASL_PATH

mail_dir=$top_srcdir/tests/mail
# shellcheck source=/dev/null
. "$mail_dir/mail.sh"

checks_passed=0
checks_failed=0

# integration_begin: a scratch directory in S, plugins in SASL_PATH, configuration in SASL_CONF_PATH and STORE.
integration_begin() {
    if [ "$(id -u)" -ne 0 ]; then
        echo "integration tests need root, for Postfix and its jail"
        exit 77
    fi
    mail_begin
    S=$MAIL_SCRATCH
    SASL_PATH=$S/plugins
    SASL_CONF_PATH=$S/conf
    STORE=$S/store
    export SASL_PATH SASL_CONF_PATH
    mkdir "$SASL_PATH" "$SASL_CONF_PATH" "$STORE"
    chmod 700 "$STORE"
    ln -s "$saslplugindir/libsaslbearer.so" "$SASL_PATH/"
    for plugin in "$(pkg-config --variable=libdir libsasl2)"/sasl2/libplain.so "$(pkg-config --variable=libdir libsasl2)"/sasl2/liblogin.so; do
        ln -s "$plugin" "$SASL_PATH/"
    done
    trap 'integration_clean' EXIT
    trap 'exit 1' HUP INT TERM
}

integration_clean() {
    entra_stop
    mail_stop_all
}

# integration_end: tells the counts; the script's exit status.
integration_end() {
    if [ -n "${entra:-}" ]; then
        secrets_check
    fi
    echo "$checks_passed passed, $checks_failed failed"
    [ "$checks_failed" -eq 0 ]
    exit
}

# ---- checks

# check NAME COMMAND...: one thing that must be so.
check() {
    check_name=$1
    shift
    if "$@" >"$S/check.out" 2>&1; then
        checks_passed=$((checks_passed + 1))
        echo "ok - $check_name"
    else
        checks_failed=$((checks_failed + 1))
        echo "not ok - $check_name"
        printf '    command: %s\n' "$*" | cut -c1-2000
        sed 's/^/    /' "$S/check.out"
    fi
}

# fails STATUS COMMAND...: the command must exit with just that status; its output is passed on.
fails() {
    fails_expected=$1
    shift
    fails_status=0
    "$@" || fails_status=$?
    [ "$fails_status" -eq "$fails_expected" ] || { echo "exit status $fails_status, expected $fails_expected"; return 1; }
}

# says TEXT STRING / says_not TEXT STRING: the string holds the text.
says() {
    case $2 in
    *"$1"*) ;;
    *) printf 'expected: %s\nfound: %s\n' "$1" "$2"; return 1 ;;
    esac
}
says_not() {
    case $2 in
    *"$1"*) printf 'unwanted: %s\nfound: %s\n' "$1" "$2"; return 1 ;;
    esac
}

equals() {
    [ "$1" = "$2" ] || { printf 'expected: %s\nfound: %s\n' "$1" "$2"; return 1; }
}

# ---- the identity provider

# entra_start: starts the emulator; sets entra (its directory), AUTHORITY, CONTROL, CA.
entra_start() {
    entra=$S/entra
    python3 "$top_srcdir/tests/entra/entra.py" "$entra" >"$S/entra.out" 2>&1 &
    entra_pid=$!
    wait_for 20 test -f "$entra/ready.json"
    AUTHORITY=$(entra_ready authority)
    CONTROL=$(entra_ready control)
    CA=$entra/ca.pem
    python3 "$top_srcdir/tests/entra/entra.py" --issue "$entra" localhost
    secret_file app_only_client_secret >"$S/secret"
    chmod 600 "$S/secret"
}

entra_stop() {
    if [ -n "${entra_pid:-}" ]; then
        kill "$entra_pid" 2>/dev/null
        wait "$entra_pid" 2>/dev/null
        entra_pid=
    fi
}

entra_ready() {
    json_member "$1" <"$entra/ready.json"
}

# json_member NAME[.NAME...]: prints a member of the JSON object on standard input.
json_member() {
    python3 -c 'import json, sys
value = json.load(sys.stdin)
for name in sys.argv[1].split("."):
    value = value[name]
print(value)' "$1"
}

# secret_file NAME: prints one of the emulator's secrets, without a newline.
secret_file() {
    json_member "$1" <"$entra/secrets.json" | tr -d '\n'
}

# control ROUTE [JSON]: asks the control port; POST if there is JSON.
control() {
    if [ $# -gt 1 ]; then
        curl -sS --fail-with-body -H 'Content-Type: application/json' --data-binary "$2" "$CONTROL/$1"
    else
        curl -sS --fail-with-body "$CONTROL/$1"
    fi
}

# counter NAME: how often it happened, such as token.client_credentials
counter() {
    control counters | json_member "$1"
}

DELEGATED_CLIENT=0c1d2e3f-2222-4222-8222-0123456789ab
APP_ONLY_CLIENT=4f5a9f88-1111-4111-8111-bdca9a88c089
DELEGATED_SCOPE='https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/POP.AccessAsUser.All https://outlook.office.com/SMTP.Send offline_access'

# refresh_token USER: a refresh token of that user, without a sign-in.
refresh_token() {
    control grants "{\"user\":\"$1\",\"client_id\":\"$DELEGATED_CLIENT\",\"scope\":\"$DELEGATED_SCOPE\"}" |
        json_member refresh_token
}

# ---- the program

# sasl_conf: writes sasl.conf from standard input, below what every test needs to reach the emulator.
sasl_conf() {
    {
        echo "oauth2_ca_file: $CA"
        echo "oauth2_token_store: $STORE"
        echo "oauth2_servers: localhost"
        cat
    } >"$SASL_CONF_PATH/sasl.conf"
}

# section_app_only PATTERN / section_delegated PATTERN TENANT: print a section that uses the emulator.
section_app_only() {
    cat <<END
[$1]
oauth2_provider: app_only
oauth2_tenant: contoso.onmicrosoft.com
oauth2_client_id: $APP_ONLY_CLIENT
oauth2_client_secret_file: $S/secret
oauth2_token_endpoint: $AUTHORITY/contoso.onmicrosoft.com/oauth2/v2.0/token
END
}
section_delegated() {
    cat <<END
[$1]
oauth2_tenant: $2
oauth2_client_id: $DELEGATED_CLIENT
oauth2_token_endpoint: $AUTHORITY/$2/oauth2/v2.0/token
oauth2_device_endpoint: $AUTHORITY/$2/oauth2/v2.0/devicecode
END
}

sasl_bearer() {
    "$bindir/sasl-bearer" "$@"
}

sign_in() {
    refresh_token "$1" | sasl_bearer login --with-refresh-token "$1"
}

# ---- mail servers that ask the emulator

# servers_start: Dovecot and a Postfix server (see tests/mail/README.md for what is set).
servers_start() {
    dovecot_start "$S/dovecot" "$entra/localhost.pem" "$entra/localhost.key" \
        "$top_srcdir/tests/entra/dovecot-xoauth2.lua" "$(entra_ready control_port)"
    postfix_server_start "$S/smtpd" "$entra/localhost.pem" "$entra/localhost.key" "$DOVECOT_AUTH_SOCKET" "$DOVECOT_STORE"
}

# relay_start [OPTION...]: a Postfix that relays to them, with our plugin.
relay_start() {
    relay_options="--env SASL_PATH=$SASL_PATH --env SASL_CONF_PATH=$SASL_CONF_PATH"
    if [ -n "${SANITIZER:-}" ]; then
        relay_options="$relay_options --smtp-env LD_PRELOAD=$SANITIZER --smtp-env ASAN_OPTIONS=detect_leaks=0"
    fi
    # shellcheck disable=SC2086 # a list
    postfix_client_start "$S/relay" "$SMTPD_PORT" "$CA" $relay_options "$@"
}

# relay_send FROM TO: sends through the relay and waits for the outcome, which goes to OUTCOME; the reason to REASON.
relay_send() {
    QUEUE_ID=$(postfix_send "$RELAY_HOME" "$1" "$2")
    OUTCOME=$(postfix_outcome "$RELAY_HOME" "$QUEUE_ID")
    REASON=$(postfix_reason "$RELAY_HOME" "$QUEUE_ID")
}

# ---- secrets

# secrets_check: nothing this run wrote or runs holds a secret that it used, but the places meant for them.
secrets_check() {
    check "no secret in any log, error text, command line or environment" \
        python3 "$integration_dir/find_secrets.py" "$entra/issued.txt" "$S"
}
