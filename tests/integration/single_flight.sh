#!/bin/sh
# However many meet an expired token, one of them fetches the next: 500 processes, 64 threads, children forked after the plugin
# was loaded; and what they do when the one that fetches is killed or stopped halfway.
. "${0%/*}/lib.sh"
# shellcheck source=/dev/null
. "$top_srcdir/tests/load/herd.sh"

# configure TIMEOUT: read by programs that start from now on.
configure() {
    {
        echo "oauth2_timeout: $1"
        section_app_only '*@contoso.com'
        section_delegated '*@fabrikam.com' fabrikam.com
    } | sasl_conf
}

is_expired() {
    sasl_bearer status "$1" | grep -q "fetched at the next login"
}

# outlive USER: gets USER a token that lives a second, and waits for its end.  What comes next lives an hour.
outlive() {
    settings '{"access_token_lifetime": 1}'
    case $1 in
    *@fabrikam.com) sign_in "$1" ;;
    *) sasl_bearer renew "$1" ;;
    esac
    fixture wait_for 10 is_expired "$1"
    settings '{"access_token_lifetime": 3600}'
    counters_reset
}

# crowd USER LOGINS HOW OPTION...: so many logins meet an expired token of USER's.
crowd() {
    crowd_user=$1 crowd_logins=$2 crowd_how=$3
    shift 3
    outlive "$crowd_user"
    herd crowd "$@" XOAUTH2 "$crowd_user"
    check "$crowd_how, $crowd_user: all succeed" all_ok crowd "$crowd_logins"
    check "$crowd_how, $crowd_user: one token request" equals "${crowd_requests:-1}" "$(requests)"
}

# all_ended NAME COUNT: well or badly, but for a reason that an outage would have.
all_ended() {
    equals "$2 0" "$(($(figure "$1" ok) + $(figure "$1" failed))) $(figure "$1" lost)" && ! errors "$1" | grep -v 'cause=later$'
}

one_succeeds() {
    herd one XOAUTH2 "$1" >/dev/null
    all_ok one 1 >/dev/null
}

# in_flight OPTION... MECHANISM USER: somebody takes the lock and asks for a token, and the answer does not come.
in_flight() {
    settings '{"hold": true}'
    herd_start holder "$@"
    holder=$(herd_pid holder)
    fixture wait_for 20 waiting_is 1
}

# left_behind USER: the one that holds the lock is killed, and the provider never answers its request.
left_behind() {
    outlive "$1"
    in_flight XOAUTH2 "$1"
    herd_start others --processes 50 XOAUTH2 "$1"
    check "$1: one waits for the provider, all others for that one" equals 1 "$(counter waiting)"
    kill -KILL "$holder"
    check "$1: another takes over as soon as it is killed" wait_for 5 waiting_is 2
    settings '{"hold": false}'
    herd_end others
    herd_end holder 2>/dev/null
    check "$1: all others succeed" all_ok others 50
    check "$1: there was one more request" equals 2 "$(requests)"
}

# forked ...: a crowd of children forked after init.  AddressSanitizer's own allocator can lock up in such children (gcc 12), so
# under it there is none.
forked() {
    if [ -z "${SANITIZER:-}" ]; then
        crowd "$@"
    fi
}

integration_begin
entra_start
configure 30

# ---- expired, and everybody comes at once

settings '{"refresh_rotation": "single_use", "reuse_detection": true}'
for user in bob@fabrikam.com relay@contoso.com; do
    crowd $user "$CROWD" "$CROWD processes" --processes "$CROWD"
    crowd $user 64 "64 threads" --threads 64
    forked $user 64 "64 children forked after init" --fork-after-init 64
    # The first token is their parent's, and an hour later it has expired.
    crowd_requests=2
    forked $user 64 "64 children of one that has logged in" --fork-after-init 64 --warm --later 3700
    crowd_requests=1
    forked $user 256 "8 processes with 4 children of 8 threads" --processes 8 --fork-after-init 4 --threads 8
done
check "no refresh token was used twice: the grant is alive" sasl_bearer renew bob@fabrikam.com
settings '{"refresh_rotation": "new", "reuse_detection": false}'

rm "$STORE"/app_only-*
counters_reset
herd nothing_yet --processes "$CROWD" XOAUTH2 relay@contoso.com
check "no token file yet: all succeed" all_ok nothing_yet "$CROWD"
check "no token file yet: one token request" equals 1 "$(requests)"

# ---- the holder is killed

left_behind relay@contoso.com
left_behind bob@fabrikam.com

# ---- the holder is stopped

outlive relay@contoso.com
in_flight XOAUTH2 relay@contoso.com
kill -STOP "$holder"
configure 4
settings '{"hold": false}'
fixture wait_for 10 waiting_is 0
herd others --processes 10 --logins 5 --slow 1000 XOAUTH2 relay@contoso.com
check "a stopped holder: waiters go on alone" all_ok others 50
check "after half their time" within 1900 3800 "$(figure others max)"
check "each once" equals 10 "$(figure others slow)"
check "with one request each" equals 11 "$(requests)"
kill -CONT "$holder"
herd_end holder
check "it is let go, and ends well" all_ok holder 1
herd others --processes 10 XOAUTH2 relay@contoso.com
check "and its token serves all" equals "11 10" "$(requests) $(figure others ok)"

configure 30
outlive bob@fabrikam.com
in_flight XOAUTH2 bob@fabrikam.com
kill -STOP "$holder"
configure 2
settings '{"hold": false}'
fixture wait_for 10 waiting_is 0
herd others --processes 10 --logins 5 --slow 1000 XOAUTH2 bob@fabrikam.com
check "a stopped holder of a delegated token: others fail and name it" all_failed others 50 \
    "process $holder is renewing the token and does not come back"
check "when their time is over" within 1900 3800 "$(figure others max)"
check "the next ones at once" equals 10 "$(figure others slow)"
check "nobody asked with the same refresh token" equals 1 "$(requests)"
kill -CONT "$holder"
herd_end holder
check "it is let go, and ends well" all_ok holder 1
herd others --processes 10 XOAUTH2 bob@fabrikam.com
check "and its token serves all" equals "1 10" "$(requests) $(figure others ok)"
configure 30

# ---- stopped for longer than its own time

configure 2
outlive bob@fabrikam.com
in_flight XOAUTH2 bob@fabrikam.com
kill -STOP "$holder"
settings '{"hold": false}'
fixture wait_for 10 waiting_is 0
herd others XOAUTH2 bob@fabrikam.com
kill -CONT "$holder"
herd_end holder
check "stopped for longer than its time, it gives up or takes the answer that lies there" all_ended holder 1
check "whichever it was, logins succeed seconds later" wait_for 5 one_succeeds bob@fabrikam.com

integration_end
