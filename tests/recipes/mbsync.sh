#!/bin/sh
# mbsync as doc/desktop.md has it: the ten lines most people need, a whole configuration, a shared mailbox, a token that
# another program keeps.
. "${0%/*}/../integration/lib.sh"
# shellcheck source=/dev/null
. "${0%/*}/desktop.sh"

# ports: in a host's line, what follows from its being ours.
ports() {
    sed "s|^Host localhost\$|&\nPort $DOVECOT_IMAPS_PORT|"
}

# pull NAME: mbsync with a configuration from standard input, in a home directory of its own.
pull() {
    PULLED=$S/$1/mail/fabrikam
    mkdir -p "$PULLED"
    ports >"$S/$1/.mbsyncrc"
    # A command that the server refuses is shown with the token in it.
    pull_status=0
    pull_output=$(HOME=$S/$1 with_plugin bounded mbsync fabrikam </dev/null 2>&1) || pull_status=$?
    printf '%s\n' "$pull_output" | sed "s/'AUTHENTICATE [^']*'/'AUTHENTICATE'/"
    return "$pull_status"
}

# pulled NAME SUBJECT: the same, and that mail came.
pulled() {
    pull "$1" && holds "$2" "$PULLED"
}

# first PART: of the ten lines those under that comment.
first() {
    block first | awk -v part="# $1" '/^# / { on = index($0, part) == 1; next } on'
}

# first_account: the account of the ten lines, with the stores of the whole configuration.
first_account() {
    echo "IMAPAccount fabrikam"
    first '~/.mbsyncrc'
    echo
    block mbsync | sed -n '/^IMAPStore/,$p'
}

# first_login: runs the command; a browser (curl) follows the link, bob is signed in there.
first_login() {
    settings "{\"authorize_outcome\": \"approve\", \"authorize_user\": \"$B\"}"
    first once >"$S/once"
    bounded sh -e "$S/once" </dev/null >"$S/login.out" 2>&1 &
    login_pid=$!
    wait_for 20 grep -q '^https:' "$S/login.out" || return
    curl -sS --cacert "$CA" -L -o "$S/login.page" "$(grep '^https:' "$S/login.out")" && wait "$login_pid" || {
        cat "$S/login.out"
        return 1
    }
}

desktop_begin
mailbox_deliver "$DOVECOT_STORE" info@fabrikam.com 'of info'

# ---- the ten lines most people need

{
    first '~/.config/sasl2/sasl.conf'
    echo "oauth2_authorization_endpoint: $AUTHORITY/fabrikam.com/oauth2/v2.0/authorize"
    echo "oauth2_token_endpoint: $AUTHORITY/fabrikam.com/oauth2/v2.0/token"
} | sasl_conf
first_account >"$S/first.rc"
check "before the sign-in mbsync says what the page says" \
    turned_away "passphrase expired, has to be reset: $B has not signed in: run sasl-bearer login $B" \
    pull first <"$S/first.rc"
check "the ten lines: the sign-in" first_login
check "the ten lines: mail comes" pulled first 'of bob' <"$S/first.rc"

# ---- more

block mbsync >"$S/whole.rc"
check "the whole configuration" pulled whole 'of bob' <"$S/whole.rc"
{
    block shared
    section_delegated '*@fabrikam.com' fabrikam.com
} | sasl_conf
sed "s|^User $B|User info@fabrikam.com|" "$S/whole.rc" >"$S/info.rc"
check "a shared mailbox" pulled shared 'of info' <"$S/info.rc"
SASL_PATH=$S/empty with_plugin pull none <"$S/whole.rc" >"$S/none.out"
check "without the plugin it says what the page says" \
    says 'selected SASL mechanism(s) not available' "$(cat "$S/none.out")"

access_token $B >"$S/secret-token"
printf '#!/bin/sh\n[ "$*" = "access %s" ] && cat %s\n' $B "$S/secret-token" >"$S/oama"
chmod 755 "$S/oama"
block another | sed "s|/usr/bin/oama|$S/oama|" | sasl_conf
check "a token that another program keeps" pulled another 'of bob' <"$S/whole.rc"
integration_end
