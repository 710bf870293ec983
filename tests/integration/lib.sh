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
# file.  SANITIZER, if set, is a library to be preloaded into programs that load the plugin; the sanitizers' reports are then
# looked for in everything that was written.
set -u

integration_dir=$(cd "${0%/*}" && pwd)
top_srcdir=$(cd "${top_srcdir:-$integration_dir/../..}" && pwd)
: "${bindir:?where sasl-bearer was installed}" "${saslplugindir:?where libsaslbearer.so was installed}"
export PYTHONDONTWRITEBYTECODE=1
# The plugin must depend on nothing that a test run happens to have.
unset XDG_CONFIG_HOME XDG_STATE_HOME STATE_DIRECTORY AZURE_TENANT_ID AZURE_CLIENT_ID SASL_CONF_PATH SASL_PATH

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
    mkdir "$SASL_PATH" "$SASL_CONF_PATH" "$STORE" "$S/reports"
    chmod 700 "$STORE"
    chmod 1777 "$S/reports"
    ln -s "$saslplugindir/libsaslbearer.so" "$SASL_PATH/"
    for plugin in "$(pkg-config --variable=libdir libsasl2)"/sasl2/libplain.so "$(pkg-config --variable=libdir libsasl2)"/sasl2/liblogin.so; do
        ln -s "$plugin" "$SASL_PATH/"
    done
    trap 'integration_clean' EXIT
    trap 'exit 1' HUP INT TERM
}

integration_clean() {
    exchange_stop
    entra_stop
    mail_stop_all
}

# integration_end: looks over all that was written, tells the counts; the script's exit status.
integration_end() {
    if [ -n "${entra:-}" ]; then
        secrets_check
    fi
    check "nobody was told of a generic failure" written_nowhere 'generic failure'
    check "no log line of ours lacks account, provider and cause" lines_complete
    if [ -n "${SANITIZER:-}" ]; then
        check "no sanitizer has anything to report" written_nowhere 'Sanitizer|runtime error:'
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
    check_status=0
    "$@" >"$S/check.out" 2>&1 || check_status=$?
    cat "$S/check.out" >>"$S/checks.written"
    if [ "$check_status" -eq 0 ]; then
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

# at_most NUMBER NUMBER: the second is not greater than the first.
at_most() {
    [ "$2" -le "$1" ] || { printf 'expected: at most %s\nfound: %s\n' "$1" "$2"; return 1; }
}

# run COMMAND...: for programs whose output is looked at: sets OUT, ERR and STATUS.
run() {
    STATUS=0
    OUT=$("$@" 2>"$S/run.err") || STATUS=$?
    ERR=$(cat "$S/run.err")
    # Standard output may be a token: only errors are kept.
    cat "$S/run.err" >>"$S/errors.written"
}

# remark STATUS TEXT: the last run ended so, having said one line, and nothing on standard output: a sentence that holds TEXT.
remark() {
    equals "$1" "$STATUS" && says "$2" "$ERR" && equals "" "$OUT" || { printf 'standard error: %s\n' "$ERR"; return 1; }
    case $ERR in
    *"
"*) printf 'more than one line: %s\n' "$ERR"; return 1 ;;
    "sasl-bearer: "*[!.]) ;;
    *) printf 'not in our form: %s\n' "$ERR"; return 1 ;;
    esac
}

# written_nowhere PATTERN: no log, output or error of this run matches it.
written_nowhere() {
    ! grep -rIEi -m 3 --exclude-dir=entra -e "$1" "$S"
}

# Each line we put into a program's log ends in keys, whatever the program.
lines_complete() {
    # libsasl2's own lines are not ours.
    ! grep -rIh --include=mail.log -e 'SASL authentication \(problem\|failure\)' "$S" |
        grep -Ev ' account=[^ ]* provider=[^ ]+ cause=[^ ]+$|: No worthy mechs found$'
}

# ---- the identity provider

# entra_start: starts the emulator; sets entra (its directory), AUTHORITY, CONTROL, CA.
entra_start() {
    entra=$S/entra
    python3 "$top_srcdir/tests/entra/entra.py" "$entra" >"$S/entra.out" 2>&1 &
    entra_pid=$!
    fixture wait_for 20 test -f "$entra/ready.json"
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

# settings JSON: changes what the emulator does.
settings() {
    control settings "$1" >/dev/null
}

# expire: no access token made so far opens anything any more, though their holders do not know it.
expire() {
    control expire_tokens '{}' >/dev/null
}

# access_token USER [SECONDS]: a delegated access token of that user, without a token request.
access_token() {
    control access-tokens "{\"user\":\"$1\",\"client_id\":\"$DELEGATED_CLIENT\",\"scope\":\"$DELEGATED_SCOPE\",\"lifetime\":${2:-3600}}" |
        json_member access_token
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

# sign_in USER: quietly, unless it fails.
sign_in() {
    refresh_token "$1" | sasl_bearer login --with-refresh-token "$1" >"$S/sign_in.out" || {
        echo "cannot sign in as $1" >&2
        exit 1
    }
}

# examine COMMAND...: runs a check as JSON; sets FOUND, a line for each finding: RESULT AREA: TEXT => REMEDY
examine() {
    run "$@"
    FOUND=$(printf '%s\n' "$OUT" | python3 -c 'import json, sys
for row in json.load(sys.stdin)["findings"]:
    print(row["result"], row["area"] + ":", row["text"], "=>", row["remedy"] or "")') || FOUND="problem check: not JSON: $OUT"
}

# found RESULT AREA TEXT [REMEDY]: one of the findings has it all.
found() {
    printf '%s\n' "$FOUND" | awk '
        BEGIN { head = ARGV[1] " " ARGV[2] ": "; text = ARGV[3]; remedy = ARGV[4]; ARGC = 1 }
        index($0, head) == 1 {
            arrow = index($0, " => ")
            yes = yes || index(substr($0, 1, arrow), text) && index(substr($0, arrow), remedy)
        }
        END { exit !yes }' "$1" "$2" "$3" "${4:-}" || {
        printf 'expected: %s %s: %s => %s\nfound:\n' "$1" "$2" "$3" "${4:-}"
        printf '%s\n' "$FOUND" | grep " $2: "
        return 1
    }
}

# with_plugin COMMAND...: a program that loads the plugin, with the sanitizer's library where there is one.
with_plugin() (
    if [ -n "${SANITIZER:-}" ]; then
        LD_PRELOAD=$SANITIZER ASAN_OPTIONS=detect_leaks=0
        export LD_PRELOAD ASAN_OPTIONS
    fi
    "$@"
)

# clock_begin: makes CLOCK, to be preloaded into programs whose clock is to be AHEAD seconds ahead.
clock_begin() {
    CLOCK=$S/clock.so
    fixture cc -D_GNU_SOURCE -shared -fPIC -o "$CLOCK" "$top_srcdir/tests/integration/clock.c"
}

# ahead SECONDS COMMAND...: with a clock that much ahead.
ahead() (
    AHEAD=$1
    LD_PRELOAD=${SANITIZER:+$SANITIZER:}$CLOCK
    [ -z "${SANITIZER:-}" ] || ASAN_OPTIONS=detect_leaks=0
    export AHEAD LD_PRELOAD ASAN_OPTIONS
    shift
    "$@"
)

# cyrus_login PROGRAM PORT USER MECHANISM [OPTION...]: imtest, pop3test or smtptest; succeeds if the server let USER in.
# What these programs show of their own side, the token among it, is left out.
cyrus_login() {
    cyrus_program=$1
    shift
    cyrus_status=0
    cyrus_output=$(with_plugin "run_$cyrus_program" localhost "$@") || cyrus_status=$?
    printf '%s\n' "$cyrus_output" | grep -v '^C: '
    return "$cyrus_status"
}

# turned_away TEXT COMMAND...: the login fails and the program's output holds TEXT.
turned_away() {
    turned_text=$1
    shift
    if turned_output=$("$@"); then
        echo "the login was accepted"
        return 1
    fi
    says "$turned_text" "$turned_output"
}

# token_file USER / token_file PROVIDER SECTION: where its token is stored.
token_file() {
    if [ $# -eq 1 ]; then
        set -- delegated "$1"
    fi
    printf '%s/%s-%s.token\n' "$STORE" "$1" "$(printf '%s' "$2" | sed 's/%/%25/g; s/\*/%2A/g; s/-/%2D/g')"
}

# page_block PAGE NAME: prints the block of that page of doc/ which is marked for this script as NAME:
#     <!-- tests/recipes/program.sh runs this one: NAME -->
# So a page whose configuration is wrong fails.  The caller puts our servers' ports in place of the world's.
page_block() {
    page_marker="<!-- tests/${integration_dir##*/}/${0##*/} runs this one: $2 -->"
    awk -v marker="$page_marker" '$0 == marker { on = 1; next }
        on && /^    / { printf "%s%s\n", empty, substr($0, 5); empty = ""; inside = 1; next }
        inside && /^$/ { empty = empty "\n"; next }
        inside { exit }' "$top_srcdir/doc/$1" | grep '' || {
        echo "doc/$1 has no block below $page_marker" >&2
        return 1
    }
}

# ---- somebody without rights, as on a desktop

USER_ID=59322

# user_begin: makes USER_HOME, with a sasl.conf read from standard input.  There is no system sasl.conf for this user but an
# empty one.
user_begin() {
    USER_HOME=$S/home
    mkdir -p "$USER_HOME/.config/sasl2" "$S/empty"
    cat >"$USER_HOME/.config/sasl2/sasl.conf"
    : >"$S/empty/sasl.conf"
    cp "$CA" "$S/ca.pem" # the emulator's own directory is closed
    chmod 644 "$S/ca.pem"
    chown -R "$USER_ID:$USER_ID" "$USER_HOME"
}

# as_user COMMAND...: with an environment of its own.
as_user() {
    setpriv --reuid="$USER_ID" --regid="$USER_ID" --clear-groups env -i PATH="$PATH" HOME="$USER_HOME" LC_ALL=C \
        SASL_PATH="$SASL_PATH" SASL_CONF_PATH="$S/empty" "$@"
}

# ---- mail servers that ask the emulator

# fixture COMMAND...: starts what a test stands on; without it there is no test.
fixture() {
    "$@" || {
        echo "cannot go on without: $1" >&2
        exit 99 # automake's "hard error"
    }
}

# servers_start: Dovecot and a Postfix server (see tests/mail/README.md for what is set).
servers_start() {
    imap_start
    fixture postfix_server_start "$S/smtpd" "$entra/localhost.pem" "$entra/localhost.key" "$DOVECOT_AUTH_SOCKET" "$DOVECOT_STORE"
}

# exchange_start: servers in Exchange's manner; sets exchange (their directory), EXCHANGE_IMAP_PORT, EXCHANGE_SMTP_PORT.
exchange_start() {
    exchange=$S/exchange
    python3 "$top_srcdir/tests/entra/exchange_style.py" "$exchange" --entra "$entra" >"$S/exchange.out" 2>&1 &
    exchange_pid=$!
    fixture wait_for 20 test -f "$exchange/ready.json"
    EXCHANGE_IMAP_PORT=$(json_member imap_port <"$exchange/ready.json")
    EXCHANGE_SMTP_PORT=$(json_member smtp_port <"$exchange/ready.json")
}

exchange_stop() {
    if [ -n "${exchange_pid:-}" ]; then
        kill "$exchange_pid" 2>/dev/null
        wait "$exchange_pid" 2>/dev/null
        exchange_pid=
    fi
}

imap_start() {
    fixture dovecot_start "$S/dovecot" "$entra/localhost.pem" "$entra/localhost.key" \
        "$top_srcdir/tests/entra/dovecot-xoauth2.lua" "$(entra_ready control_port)"
}

# relay_start [OPTION...]: a Postfix that relays to them, with our plugin.
relay_start() {
    relay_options="--env SASL_PATH=$SASL_PATH --env SASL_CONF_PATH=$SASL_CONF_PATH"
    if [ -n "${SANITIZER:-}" ]; then
        relay_options="$relay_options --smtp-env LD_PRELOAD=$SANITIZER"
        # Without a terminal, and soon without this path: reports go to a directory that is there in the jail too.
        relay_options="$relay_options --smtp-env ASAN_OPTIONS=detect_leaks=0:log_path=$S/reports/smtp"
        relay_options="$relay_options --smtp-env UBSAN_OPTIONS=print_stacktrace=1:log_path=$S/reports/smtp"
    fi
    # shellcheck disable=SC2086 # a list
    fixture postfix_client_start "$S/relay" "${RELAY_TO:-$SMTPD_PORT}" "$CA" $relay_options "$@"
    if [ -n "${SANITIZER:-}" ] && [ -n "$RELAY_JAIL" ]; then
        mkdir -p "$RELAY_JAIL$S/reports" && chmod 1777 "$RELAY_JAIL$S/reports"
    fi
}

# relay_told TEXT ACCOUNT PROVIDER CAUSE: the relay's log has a line of ours with this sentence and these keys.
relay_told() {
    grep -F -e 'SASL authentication problem: ' "$RELAY_HOME/mail.log" | grep -E " account=$2 provider=$3 cause=$4\$" |
        grep -qF -e "$1" || {
        echo "not in the log: $1 ... account=$2 provider=$3 cause=$4"
        grep -F 'SASL' "$RELAY_HOME/mail.log" | tail -n 5
        return 1
    }
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
        python3 "$top_srcdir/tests/integration/find_secrets.py" "$entra/issued.txt" "$S"
}
