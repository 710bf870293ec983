#!/bin/sh
# Nowhere to keep a token: a read-only file system, oauth2_token_store none, a user without a home.  What can be had again
# goes on from memory, with one warning for each process; who would have to sign in again is told what is missing.

# Mounts are made in a mount namespace of our own.
if [ -z "${PRIVATE_MOUNTS:-}" ]; then
    unshare -m true 2>/dev/null || { echo "no mount namespaces here"; exit 77; }
    PRIVATE_MOUNTS=yes exec unshare -m sh "$0" "$@"
fi
. "${0%/*}/lib.sh"
# shellcheck source=/dev/null
. "$top_srcdir/tests/load/herd.sh"

APP=box1@contoso.com
MACHINE=box2@contoso.com
COMMAND=bob@fabrikam.com
FILE=erin@fabrikam.com
PERSON=alice@contoso.com
PULLS=0
# With a sanitizer's library in front, libc's lock of locales is awry before imtest's main(), and imtest hangs at its end
# once anything has asked for the text of an errno.
NO_IMTEST=${SANITIZER:-}
NOT_STORED="the token could not be stored and is used from this process' memory:"

# accounts: one of each kind.
accounts() {
    {
        section_app_only $APP
        printf '[%s]\noauth2_provider: managed_identity\n' $MACHINE
        printf '[%s]\noauth2_provider: command\noauth2_token_command: %s\n' $COMMAND "$S/bin/token"
        printf '[%s]\noauth2_provider: file\noauth2_token_file: %s\n' $FILE "$S/secret-file"
        section_delegated $PERSON contoso.com
    } | sasl_conf
}

# tokens_of_others: what the command prints and the file holds.
tokens_of_others() {
    mkdir "$S/bin"
    printf '#!/bin/sh\ncat "%s/secret-command"\n' "$S" >"$S/bin/token"
    chmod 755 "$S/bin/token"
    (umask 077 && access_token $COMMAND >"$S/secret-command" && access_token $FILE >"$S/secret-file")
}

# read_only COMMAND...: where nothing at all can be written.
read_only() {
    # shellcheck disable=SC2016 # for the other shell
    unshare -m sh -c 'for place in / "$(findmnt -n -o TARGET -T "$0")"; do mount -o remount,bind,ro "$place" || exit 99; done
        exec "$@"' "$S" "$@"
}

# nobody COMMAND...: as a user of a container, who has no name, no home and no sasl.conf but the system's.
nobody() {
    setpriv --reuid="$USER_ID" --regid="$USER_ID" --clear-groups env -i PATH="$PATH" SASL_PATH="$SASL_PATH" \
        SASL_CONF_PATH="$SASL_CONF_PATH" AZURE_POD_IDENTITY_AUTHORITY_HOST="$AZURE_POD_IDENTITY_AUTHORITY_HOST" "$@"
}

# goes_on ACCOUNT TEXT COMMAND...: the command prints a token, and one line, with this reason; none if there is no text.
goes_on() {
    goes_on_account=$1 goes_on_text=$2
    shift 2
    run "$@" token "$goes_on_account"
    test "$STATUS" -eq 0 -a "${#OUT}" -gt 1000 || { printf '%s\n' "$ERR"; return 1; }
    if [ -z "$goes_on_text" ]; then
        equals "" "$ERR"
    else
        equals 1 "$(printf '%s\n' "$ERR" | grep -c .)" && says "$NOT_STORED $goes_on_text" "$ERR" &&
            says " account=$goes_on_account provider=" "$ERR" && says ' cause=local' "$ERR"
    fi
}

# everybody_goes_on WHERE TEXT COMMAND...
everybody_goes_on() {
    everybody_where=$1
    shift
    for account in $APP $MACHINE $COMMAND $FILE; do
        check "$everybody_where: $account goes on from memory" goes_on $account "$@"
    done
}

# imtest_by PREFIX...: imtest logs in as the application, started so; what it shows of the token is left out.
imtest_by() {
    # shellcheck disable=SC2016 # for the other shell
    "$@" mail_dir="$mail_dir" sh -c '. "$mail_dir/mail.sh" && run_imtest "$@"' \
        sh localhost "$DOVECOT_IMAP_PORT" $APP XOAUTH2 |
        grep '^Authenticated\.'
}

# logins WHERE: imtest and mbsync, as everybody who can.
logins() {
    logins_where=$1
    for account in $APP $MACHINE $COMMAND $FILE; do
        [ -n "$NO_IMTEST" ] ||
            check "$logins_where: imtest logs in as $account" cyrus_login imtest "$DOVECOT_IMAP_PORT" "$account" XOAUTH2
        PULLS=$((PULLS + 1))
        mkdir "$S/pull$PULLS"
        check "$logins_where: mbsync fetches mail as $account" with_plugin run_mbsync "$S/pull$PULLS" localhost \
            "$DOVECOT_IMAP_PORT" "$account" XOAUTH2 "$CA"
    done
}

# delivers WHERE ACCOUNT: the chrooted relay sends three mails.
delivers() {
    for turn in 1 2 3; do
        relay_send "$2" alice@contoso.com
        check "$1: a chrooted smtp(8) sends as $2 ($turn)" equals sent "$OUTCOME"
    done
}

# once_a_process: no smtp(8) said twice that it has nowhere to keep an account's token.
once_a_process() {
    equals "" "$(sed -n 's/.*\(smtp\[[0-9]*\]\).*could not be stored.* \(account=[^ ]*\) .*/\1 \2/p' "$RELAY_HOME/mail.log" |
        sort | uniq -d)"
}

warnings() {
    grep -c "$1.* account=$2 " "$RELAY_HOME/mail.log"
}

integration_begin
trap 'umount "$STORE" 2>/dev/null; integration_clean' EXIT
entra_start
servers_start
tokens_of_others
AZURE_POD_IDENTITY_AUTHORITY_HOST=$(entra_ready imds)
export AZURE_POD_IDENTITY_AUTHORITY_HOST

# ---- a token directory that cannot be written

accounts
sign_in $PERSON
mkdir "$S/kept"
cp -p "$(token_file $PERSON)" "$S/kept/"
rm -f "$STORE"/*
fixture mount -t tmpfs -o ro,mode=700 none "$STORE"
everybody_goes_on 'read-only store' "cannot open token file '$STORE/" sasl_bearer
check "and says why" says 'Read-only file system' "$ERR"
logins 'read-only store'
control counters/reset '{}' >/dev/null
herd busy --logins 20 --log XOAUTH2 $APP
check "20 logins in one process succeed" all_ok busy 20
check "with one request" equals 1 "$(requests)"
check "and one warning" equals 1 "$(grep -c "$NOT_STORED" "$S/busy.errors")"
run sasl_bearer token $PERSON
check "who has not signed in is told to" remark 77 "run sasl-bearer login $PERSON"
refresh_token $PERSON >"$S/secret-refresh"
run sasl_bearer login --with-refresh-token $PERSON <"$S/secret-refresh"
check "and when signing in which directory is in the way" remark 75 "'$STORE/"
check "with the reason" says 'Read-only file system' "$ERR"

relay_start --env "AZURE_POD_IDENTITY_AUTHORITY_HOST=$AZURE_POD_IDENTITY_AUTHORITY_HOST" \
    --set smtp_sender_dependent_authentication=yes --set "smtp_sasl_password_maps=texthash:$S/logins" \
    --set smtp_destination_concurrency_failed_cohort_limit=0
for account in $APP $MACHINE $PERSON; do
    echo "$account $account:"
done >"$S/logins"
postfix_reload "$RELAY_HOME"
delivers 'read-only store' $APP
delivers 'read-only store' $MACHINE
check "its log says why" relay_told 'Read-only file system' $APP app_only local
check "for each kind of account" relay_told 'Read-only file system' $MACHINE managed_identity local
check "once in each process" once_a_process
relay_send $PERSON bob@fabrikam.com
check "a person who has not signed in has to wait" equals deferred "$OUTCOME"
check "and the log says for what" relay_told "run sasl-bearer login $PERSON" $PERSON delegated sign_in
umount "$STORE"

# ---- a sign-in that was kept, on what cannot be written any more

cp -p "$S/kept"/* "$STORE/"
run sasl_bearer renew $PERSON
check "the sign-in is good" equals "0 " "$STATUS $ERR"
mount --bind "$STORE" "$STORE" && mount -o remount,bind,ro "$STORE"
run sasl_bearer token $PERSON
check "a sign-in that could not be kept up to date is not used, and the file is named" remark 75 "'$(token_file $PERSON)'"
check "with the reason" says 'Read-only file system' "$ERR"
umount "$STORE"
run sasl_bearer token $PERSON
check "it is good again where it can be" equals 0 "$STATUS"

# ---- nothing can be written at all

rm -f "$STORE"/*
everybody_goes_on 'read-only root' "cannot open token file '$STORE/" read_only "$bindir/sasl-bearer"
[ -n "$NO_IMTEST" ] || check "read-only root: imtest logs in" imtest_by read_only env

# ---- none

accounts
sed -i 's/^oauth2_token_store:.*/oauth2_token_store: none/' "$SASL_CONF_PATH/sasl.conf"
everybody_goes_on none '' sasl_bearer
logins none
herd calm --logins 20 --log XOAUTH2 $APP
check "20 logins in one process say nothing, for this is wanted" equals "20 0" \
    "$(figure calm ok) $(grep -vcE "cause=ok| POST " "$S/calm.errors")"
run sasl_bearer token $PERSON
check "a person is told what is missing" remark 78 "set oauth2_token_store to a directory"
run sasl_bearer login --with-refresh-token $PERSON <"$S/secret-refresh"
check "also when signing in" remark 78 "set oauth2_token_store to a directory"
before=$(warnings 'could not be stored' $APP)
postfix_reload "$RELAY_HOME"
delivers none $APP
delivers none $MACHINE
check "Postfix' log has no more complaints" equals "$before" "$(warnings 'could not be stored' $APP)"
relay_send $PERSON bob@fabrikam.com
check "a person's mail has to wait" equals deferred "$OUTCOME"
check "and the log says what is missing" relay_told "set oauth2_token_store to a directory" $PERSON delegated config
check "nothing was stored anywhere" test -z "$(ls -A "$STORE")"

# ---- no name, no home

cp "$CA" "$S/ca.pem"
for file in "$S/secret" "$S/secret-command" "$S/secret-file"; do
    chown "root:$USER_ID" "$file"
    chmod 640 "$file"
done
chmod 644 "$S/ca.pem"
accounts
sed -i "/^oauth2_token_store:/d; s|^oauth2_ca_file:.*|oauth2_ca_file: $S/ca.pem|" "$SASL_CONF_PATH/sasl.conf"
everybody_goes_on 'a container' "cannot open token directory '" nobody "$bindir/sasl-bearer"
[ -n "$NO_IMTEST" ] || check "a container: imtest logs in" imtest_by nobody
run nobody "$bindir/sasl-bearer" login --with-refresh-token $PERSON <"$S/secret-refresh"
check "a container: who wants to sign in is told which directory is missing" remark 75 "cannot open token directory '/"
mkdir -p "$S/config/sasl2" "$S/nothing"
mv "$SASL_CONF_PATH/sasl.conf" "$S/config/sasl2/"
chown -R "$USER_ID" "$S/config"
SASL_CONF_PATH=$S/nothing
run nobody env XDG_CONFIG_HOME="$S/config" "$bindir/sasl-bearer" token $APP
check "a sasl.conf of one's own, but no home: an application goes on" test "$STATUS" -eq 0 -a "${#OUT}" -gt 1000
run nobody env XDG_CONFIG_HOME="$S/config" "$bindir/sasl-bearer" login --with-refresh-token $PERSON <"$S/secret-refresh"
check "and a person is told what is missing" remark 78 "set oauth2_token_store to a directory"
integration_end
