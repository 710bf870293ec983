#!/bin/sh
# What sasl-xoauth2's users have goes on as it is: the password is the path of a token file, in the jail or outside, and the
# file is kept up to date in its own form.
. "${0%/*}/lib.sh"

BOB=bob@fabrikam.com

# token_json USER [MEMBERS]: a token file for a user who has signed in, its access token long expired.
token_json() {
    printf '{"access_token": "old", "expiry": "0", "refresh_token": "%s", "made_by": {"tool": 3}%s}\n' \
        "$(refresh_token "$1")" "${2:+, $2}"
}

# Sets members of the file to texts, as an administrator does with an editor.
amend() {
    python3 - "$@" <<'END'
import json, sys
with open(sys.argv[1]) as file:
    members = json.load(file)
members.update(pair.split("=", 1) for pair in sys.argv[2:])
with open(sys.argv[1], "w") as file:
    json.dump(members, file)
END
}

# member FILE NAME
member() {
    json_member "$2" <"$1"
}

# The file has a token that lives an hour, and nothing of it was lost.
is_renewed() {
    equals 3 "$(member "$1" made_by.tool)" && at_most "$(($(date +%s) + 3600))" "$(member "$1" expiry)" &&
        at_most "$(member "$1" expiry)" "$(($(date +%s) + 3000))" || return 1
    case $(member "$1" access_token) in
    eyJ*) ;;
    *) echo "there is no new access token"; return 1 ;;
    esac
}

alone() {
    equals "${1##*/}" "$(ls -A "${1%/*}")"
}

imap() {
    cyrus_login imtest "$DOVECOT_IMAP_PORT" "$BOB" XOAUTH2 --password "$1"
}

# imap_begin FILE: a login of which only the start matters, its process in PID.
imap_begin() {
    printf 'a1 LOGOUT\n' >"$S/goodbye"
    with_plugin "$(cyrus_program imtest)" -p "$DOVECOT_IMAP_PORT" -m XOAUTH2 -t '' -a "$BOB" -u "$BOB" -w "$1" localhost \
        <"$S/goodbye" >/dev/null 2>&1 & # its own side of the conversation holds the token
    PID=$!
}

# logins_are PASSWORD: what Postfix gives from now on.
logins_are() {
    printf '[localhost]:%s %s:%s\n' "$SMTPD_PORT" "$BOB" "$1" >"$RELAY_HOME/sasl_passwd"
    postfix_reload "$RELAY_HOME"
}

# refused TEXT CAUSE: the mail waits, and the log says why.
refused() {
    relay_send "$BOB" alice@contoso.com
    equals deferred "$OUTCOME" && relay_told "$1" "$BOB" password_field "$2"
}

integration_begin
entra_start
servers_start
{
    echo "[*@fabrikam.com]"
    echo "oauth2_provider: password_field"
    echo "oauth2_client_id: $DELEGATED_CLIENT"
    echo "oauth2_token_endpoint: $AUTHORITY/fabrikam.com/oauth2/v2.0/token"
} | sasl_conf

# ---- on its own

mkdir "$S/tokens"
chmod 700 "$S/tokens"
file=$S/tokens/bob.token
token_json "$BOB" >"$file"
chmod 640 "$file"
chown "$USER_ID:$USER_ID" "$S/tokens" && chown "0:$USER_ID" "$file"
control counters/reset '{}' >/dev/null
check "a login with the path of a token file" imap "$file"
check "renews the token in it" is_renewed "$file"
check "by one request" equals 1 "$(counter token.refresh_token)"
check "and leaves owner, group and mode" equals "0 $USER_ID 640" "$(stat -c '%u %g %a' "$file")"
check "and nothing beside it" alone "$file"
check "the next login uses it" imap "$file"
check "and asks nobody" equals 1 "$(counter token.refresh_token)"
amend "$file" expiry=1
check "OAUTHBEARER renews as well" cyrus_login imtest "$DOVECOT_IMAP_PORT" "$BOB" OAUTHBEARER --password "$file"
check "by one more request" equals 2 "$(counter token.refresh_token)"
chown 0:0 "$S/tokens"

# ---- the file's own settings win

amend "$file" expiry=0 client_id=nobody
check "the client id of the file is asked for" turned_away 'Authentication failed' imap "$file"
amend "$file" client_id="$DELEGATED_CLIENT" token_endpoint="https://localhost:1/token"
check "the endpoint of the file is asked" turned_away 'Authentication failed' imap "$file"
amend "$file" token_endpoint="$AUTHORITY/fabrikam.com/oauth2/v2.0/token" scope="$DELEGATED_SCOPE" ca_bundle_file="$CA" proxy=
check "with all of them right it goes on" imap "$file"

# ---- everybody at once

settings '{"refresh_rotation": "single_use", "reuse_detection": true}'
crowd=20
for round in 1 2 3; do
    amend "$file" expiry=0
    control counters/reset '{}' >/dev/null
    pids=
    i=0
    while [ "$i" -lt "$crowd" ]; do
        imap "$file" >"$S/crowd.$i" &
        pids="$pids $!"
        i=$((i + 1))
    done
    crowd_ok=0
    for pid in $pids; do
        wait "$pid" && crowd_ok=$((crowd_ok + 1))
    done
    check "round $round: $crowd logins meet an expired token, and all succeed" equals "$crowd" "$crowd_ok"
    check "round $round: one request" equals 1 "$(counter token.refresh_token)"
done
check "the refresh token in the file is the one to be used next" amend "$file" expiry=0
check "and works" imap "$file"
settings '{"refresh_rotation": "new", "reuse_detection": false}'

# ---- killed halfway

is_whole() {
    member "$file" refresh_token >/dev/null && member "$file" made_by >/dev/null && [ "$(member "$file" expiry)" != '' ]
}
damaged=0
pause=0
while [ "$pause" -lt 50 ]; do
    amend "$file" expiry=0
    imap_begin "$file"
    sleep "0.0$((pause * 2 / 10))$((pause * 2 % 10))"
    kill -KILL "$PID" 2>/dev/null
    wait "$PID" 2>/dev/null
    is_whole || damaged=$((damaged + 1))
    pause=$((pause + 1))
done
check "50 logins killed on their way leave a whole file" equals 0 "$damaged"
amend "$file" expiry=0
check "and the next one renews it" imap "$file"
find "$S/tokens" -name '.*' -type f -exec touch -d '2 minutes ago' {} +
amend "$file" expiry=0
check "what they began is taken out a minute later" imap "$file"
check "so that the file is alone" alone "$file"

# ---- in Postfix' jail, as sasl-xoauth2's guide has it

relay_start --login "$BOB:/etc/tokens/bob.token" --set smtp_destination_concurrency_failed_cohort_limit=0
tokens=$RELAY_JAIL/etc/tokens
inside=$tokens/bob.token
mkdir "$tokens"
token_json "$BOB" >"$inside"
chmod 600 "$inside"
chmod 700 "$tokens"
chown -R postfix:postfix "$tokens"
control counters/reset '{}' >/dev/null
relay_send "$BOB" alice@contoso.com
check "a chrooted smtp(8) sends mail with a token file of its jail" equals sent "$OUTCOME"
check "the file is renewed in there" is_renewed "$inside"
check "it belongs to postfix as before" equals "postfix 600" "$(stat -c '%U %a' "$inside")"
check "it is alone" alone "$inside"
relay_send "$BOB" alice@contoso.com
check "the next mail uses it" equals "sent 1" "$OUTCOME $(counter token.refresh_token)"
cp -p "$CA" "$RELAY_JAIL/etc/ca.pem"
chmod 644 "$RELAY_JAIL/etc/ca.pem"
amend "$inside" expiry=0 ca_bundle_file=/etc/ca.pem
relay_send "$BOB" alice@contoso.com
check "certificates that were copied into the jail serve too" equals "sent 2" "$OUTCOME $(counter token.refresh_token)"
check "Postfix' log has no complaint" fails 1 postfix_complaints "$RELAY_HOME"

# ---- what is wrong is told, and the mail waits

chmod 644 "$inside"
check "a file that anyone can read is refused" refused \
    "'/etc/tokens/bob.token' holds a secret and anyone can read it: run chmod o= '/etc/tokens/bob.token'" config
chmod 600 "$inside"
chown root "$inside"
check "so is one that cannot be read" refused "cannot open '/etc/tokens/bob.token': Permission denied" config
chown postfix "$inside"
logins_are /etc/tokens/absent
check "so is one that is not there" refused "cannot open '/etc/tokens/absent': No such file or directory" config
logins_are /etc/hosts
check "so is a path of something else" refused "'/etc/hosts' is not JSON" config
logins_are /etc/tokens/bob.token
cp -p "$inside" "$S/secret-kept"
amend "$inside" expiry=0 refresh_token=
check "without a refresh token somebody must sign in" refused "has expired, and no refresh_token is there" sign_in
amend "$inside" refresh_token=spent.refresh.token
check "a refresh token that is worth nothing says so" refused \
    "the refresh token in '/etc/tokens/bob.token' works no longer: the identity provider says invalid_grant" '[A-Za-z0-9_]*'
check "and stays" equals spent.refresh.token "$(member "$inside" refresh_token)"
cat "$S/secret-kept" >"$inside"
relay_send "$BOB" alice@contoso.com
check "put right, mail goes out again" equals sent "$OUTCOME"

# ---- it cannot be saved

amend "$inside" expiry=0
chown root:root "$tokens"
chmod 755 "$tokens"
before=$(cat "$inside")
relay_send "$BOB" alice@contoso.com
check "in a directory of root's the token still serves" equals sent "$OUTCOME"
check "the file is as it was" equals "$before" "$(cat "$inside")"
lost="the new refresh token for '/etc/tokens/bob.token' is LOST"
remedy="Permission denied; user id $(id -u postfix) must be allowed to write there"
check "the loss and the remedy are in the log" grep -q -e "$lost.*$remedy" "$RELAY_HOME/mail.log"
chown postfix "$tokens"
relay_send "$BOB" alice@contoso.com
check "put right, it is saved" is_renewed "$inside"

# ---- outside the jail

postconf -c "$RELAY_HOME/etc" -F 'smtp/unix/chroot=n'
outside=$S/tokens-of-postfix/bob.token
mkdir "$S/tokens-of-postfix"
token_json "$BOB" >"$outside"
chmod 600 "$outside"
chown -R postfix "$S/tokens-of-postfix"
logins_are "$outside"
relay_send "$BOB" alice@contoso.com
check "an smtp(8) outside the jail does the same" equals sent "$OUTCOME"
check "with the path as it is there" is_renewed "$outside"
check "nothing of this is in our store" test -z "$(ls -A "$STORE")"
integration_end
