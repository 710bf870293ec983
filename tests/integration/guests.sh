#!/bin/sh
# What hosts do to their plugins: tests/guest/guest with the installed plugin, one scenario after the other.
. "${0%/*}/lib.sh"
# shellcheck source=/dev/null
. "$top_srcdir/tests/load/herd.sh" # for its counts of requests

guest_program=${top_builddir:?where tests/guest/guest was built}/tests/guest/guest

GUEST_TURN=0
export GUEST_TURN

# guest SCENARIO USER...: within a minute.
guest() {
    GUEST_TURN=$((GUEST_TURN + 1))
    with_plugin timeout -k 1 60 "$guest_program" "$@"
}

# one_request SCENARIO USER...: of all who met an expired token, one asked for the next.
one_request() {
    counters_reset
    guest "$@" && equals 1 "$(requests)"
}

integration_begin
entra_start
{
    section_app_only '*@contoso.com'
    section_delegated '*@fabrikam.com' fabrikam.com
} | sasl_conf
sign_in bob@fabrikam.com

app=relay@contoso.com
own=bob@fabrikam.com

# ---- init, login, done

if [ -z "${SANITIZER:-}" ]; then # whose own memory grows
    check "500 times init, login and done leave nothing behind" guest cycles $app $own
fi
plugins=$SASL_PATH
SASL_PATH=$plugins:$plugins
check "the plugin's directory twice in SASL_PATH" guest directories $app $own
mkdir "$S/copy"
cp "$saslplugindir/libsaslbearer.so" "$S/copy/"
SASL_PATH=$plugins:$S/copy
check "two copies of the plugin in one process" guest directories $app $own
SASL_PATH=$plugins
GUEST_URL=$CONTROL/counters
export GUEST_URL
check "a host that uses libcurl and jansson itself (app_only)" guest own-libs $app
check "a host that uses libcurl and jansson itself (delegated)" guest own-libs $own

# ---- processes and threads

for user in $app $own; do
    check "$user: 20 children and their parent log in at once, one asks for a token" one_request fork $user
    if [ -z "${SANITIZER:-}" ]; then # whose allocator may stay locked in the child: the other thread was using it
        settings '{"delay_seconds": 1}'
        check "$user: a child forked while another thread was asking logs in" guest fork-locked $user
        settings '{"delay_seconds": 0}'
    fi
    check "$user: threads end before and after sasl_done" guest thread-exit $user
done
check "32 threads and several accounts" guest threads $app $own box1@contoso.com box2@contoso.com
if [ -z "${SANITIZER:-}" ]; then # which needs a bigger one
    check "a thread with a stack of 128 kB" guest stack-small $app $own
fi

# ---- descriptors

check "a host that closes all descriptors and gets the same numbers" guest closefrom $app $own
check "a host that has no descriptor left" guest descriptors-exhausted $app $own

# ---- signals and the rest of the host's state

for user in $app $own; do
    settings '{"fail": {"drop": true, "times": 1}}'
    check "$user: a dropped connection does not kill a host with the default SIGPIPE" guest sigpipe $user
    settings '{"fail": null}'
done
check "SIGCHLD ignored" guest sigchld $app $own
check "signals, locale, directory, environment, umask and output stay the host's" guest handlers $app $own
settings '{"delay_seconds": 1}'
for user in $app $own; do
    check "$user: siglongjmp out of a request" guest alarm-longjmp $user
    check "$user: siglongjmp out of waiting for another process" guest alarm-waiting $user
    check "$user: siglongjmp out of a request, and another thread comes next" guest alarm-thread $user
done
settings '{"delay_seconds": 0}'

# ---- more rights than its user

if [ -n "${SANITIZER:-}" ]; then
    : # a program with more rights than its user does not preload it
elif findmnt -n -T "$S" -o OPTIONS | grep -qw nosuid; then
    echo "# no setuid program, for $S is mounted nosuid"
else
    cp "$guest_program" "$S/privileged"
    chmod 4755 "$S/privileged"
    check "root's own program has the mechanisms" says 'secure 0, loaded 1, listed 1' "$("$S/privileged" mechanisms $app)"
    check "a setuid program has none, and the plugin opens nothing" equals 'secure 1, loaded 1, listed 0, descriptors 0' \
        "$(setpriv --reuid="$USER_ID" --regid="$USER_ID" --clear-groups "$S/privileged" mechanisms $app)"
fi

integration_end
