#!/bin/sh
# The token store on disk: which files and directories are not trusted, what is done without a store, and whose tokens these are.
. "${0%/*}/lib.sh"

B=bob@fabrikam.com
A='*@contoso.com'

token() {
    run sasl_bearer token "$@"
}

# untrusted TEXT: bob's token is not had, for this reason; an application goes on without the store, and says why.
untrusted() {
    token $B
    check "$untrusted: a sign-in in there is of no use, with the reason" says "$1" "$STATUS $ERR"
    check "$untrusted: and an exit status" test "$STATUS" -ge 75
    check "$untrusted: no token is printed" equals "" "$OUT"
}
goes_on() {
    token box1@contoso.com
    check "$untrusted: an application goes on from memory" test "$STATUS" -eq 0 -a "${#OUT}" -gt 1000
    check "$untrusted: with one warning that names the reason" says "$1" "$ERR"
    check "$untrusted: one" equals 1 "$(printf '%s\n' "$ERR" | grep -c .)"
}

conf() {
    {
        section_app_only "$A"
        section_delegated '*@fabrikam.com' fabrikam.com
    } | sasl_conf
}

integration_begin
entra_start
conf
sign_in $B
token $B
bobs=$OUT
check "in good order it is quiet" equals "0 " "$STATUS $ERR"
check "a token file is its owner's alone" equals "600 root 1" "$(stat -c '%a %U %h' "$(token_file $B)")"

# ---- directories

for mode in 770 707 777; do
    chmod $mode "$STORE"
    untrusted="directory with mode $mode"
    untrusted "token directory '$STORE' can be written by others than its owner: run chmod go-w '$STORE'"
    goes_on "run chmod go-w '$STORE'"
done
run sasl_bearer status $B
check "status tells the same" says "run chmod go-w '$STORE'" "$STATUS $OUT"
chmod 755 "$STORE"
token $B
check "others may read a directory's names" equals "0 $bobs" "$STATUS $OUT"
chmod 700 "$STORE"

# ---- files

file=$(token_file $B)
mv "$file" "$S/secret-kept"
ln -s "$S/secret-kept" "$file"
untrusted='symbolic link'
untrusted "cannot open token file '$file'"
rm "$file"
ln "$S/secret-kept" "$file"
untrusted='second name'
untrusted "token file '$file' is not a regular file with one name"
rm "$S/secret-kept"
token $B
check "one name less, and it is good again" equals "0 $bobs" "$STATUS $OUT"
chmod 640 "$file"
untrusted='file others may read'
untrusted "run chmod 600 '$file'"
chmod 600 "$file"
chown "$USER_ID" "$file"
untrusted="somebody else's file"
untrusted "token file '$file' belongs to user id $USER_ID: run chown on it"
chown root "$file"
rm -f "$(token_file app_only "$A")"
mkfifo "$(token_file app_only "$A")"
untrusted='a FIFO'
goes_on "is not a regular file"
rm "$(token_file app_only "$A")"
token $B
check "after all this the sign-in is as it was" equals "0 $bobs" "$STATUS $OUT"
check "nobody had to ask for it" equals 1 "$(counter token.refresh_token)"

# ---- damage

cp -p "$file" "$S/secret-good.token"
: >"$file"
token $B
check "an emptied file is no sign-in" remark 77 "has not signed in: run sasl-bearer login"
head -c 200 "$S/secret-good.token" >"$file"
token $B
check "a file that was cut is no sign-in" remark 77 "has not signed in: run sasl-bearer login"
head -c 100000 /dev/urandom >"$file"
token $B
check "noise is no sign-in" remark 77 "has not signed in: run sasl-bearer login"
cp -p "$S/secret-good.token" "$file"
token $B
check "the file from a backup works" equals "0 $bobs" "$STATUS $OUT"
: >"$(token_file app_only "$A")"
chmod 600 "$(token_file app_only "$A")"
token box1@contoso.com
check "an application fills an emptied file again" equals "0 " "$STATUS $ERR"
# Each renewal goes to the other half of the file: when the newest is damaged, the one before it counts.
control counters/reset '{}' >/dev/null
token --renew $B
newest=$OUT
python3 - "$file" "$newest" <<'END'
import sys
with open(sys.argv[1], "r+b") as file:
    at = file.read().index(sys.argv[2].encode())
    file.seek(at)
    file.write(b"!")
END
token $B
check "a damaged half gives way to the other" equals "0 $bobs" "$STATUS $OUT"

# ---- whose tokens these are

sed -i "s/$DELEGATED_CLIENT/0c1d2e3f-2222-4222-8222-00000000beef/" "$SASL_CONF_PATH/sasl.conf"
cksum "$file" >"$S/before"
control counters/reset '{}' >/dev/null
token $B
check "under another client id the sign-in is not used" remark 77 "run sasl-bearer login $B"
check "the error names the id it was made for" says "client_id $DELEGATED_CLIENT" "$ERR"
check "and the one that is configured now" says "client_id 0c1d2e3f-2222-4222-8222-00000000beef" "$ERR"
run sasl_bearer renew $B
check "renew neither" remark 77 "run sasl-bearer login $B"
run sasl_bearer renew --all
run sasl_bearer status $B
check "status says not_signed_in" says not_signed_in "$STATUS $OUT"
check "nothing was sent to the identity provider" equals 0 "$(counter token.refresh_token)"
cksum "$file" >"$S/after"
check "nothing was overwritten" cmp "$S/before" "$S/after"
conf
token $B
check "under the first id it works as before" equals "0 $bobs" "$STATUS $OUT"
sed -i "s|/fabrikam.com/oauth2/v2.0/token|/22222222-2222-4222-8222-222222222222/oauth2/v2.0/token|" "$SASL_CONF_PATH/sasl.conf"
token $B
check "another endpoint counts as another application" remark 77 "the sign-in that is kept was made with endpoint"
sign_in $B
token $B
check "a new sign-in is for the new settings" equals "0 " "$STATUS $ERR"
conf
sign_in $B

# ---- places

sed -i "s|^oauth2_token_store:.*|oauth2_token_store: none|" "$SASL_CONF_PATH/sasl.conf"
token box1@contoso.com
check "without a store an application gets its token, and there is nothing to say" equals "0 " "$STATUS $ERR"
token $B
check "a sign-in needs one" remark 78 "set oauth2_token_store"
run timeout 10 "$bindir/sasl-bearer" login --device $B
check "login says so before anybody signs in" remark 78 "set oauth2_token_store"
conf
mkdir "$S/theirs"
chown "$USER_ID" "$S/theirs"
chmod 700 "$S/theirs"
sed -i "s|^oauth2_token_store:.*|oauth2_token_store: $S/theirs|" "$SASL_CONF_PATH/sasl.conf"
sign_in $B
check "in a directory of somebody else root makes files of theirs" equals "600 $USER_ID" "$(stat -c '%a %u' "$S/theirs/"*.token)"
conf

user_begin <<END
oauth2_ca_file: $S/ca.pem
oauth2_servers: localhost
$(section_app_only "$A" | sed "s|$S/secret|$S/home/secret|")
$(section_delegated '*@fabrikam.com' fabrikam.com)
END
cp "$S/secret" "$USER_HOME/secret"
chown "$USER_ID" "$USER_HOME/secret"
user_token() {
    run as_user "$bindir/sasl-bearer" token "$1"
}
mkdir "$USER_HOME/.local"
chown "$USER_ID" "$USER_HOME/.local"
chmod 500 "$USER_HOME/.local"
user_token box1@contoso.com
check "where no store can be made an application goes on from memory" test "$STATUS" -eq 0 -a "${#OUT}" -gt 1000
check "with a warning that names the directory" says "$USER_HOME/.local/state" "$ERR"
refresh_token $B >"$S/secret-refresh"
run as_user "$bindir/sasl-bearer" login --with-refresh-token $B <"$S/secret-refresh"
check "a sign-in names the directory that is missing" remark 75 "$USER_HOME/.local/state"
chmod 700 "$USER_HOME/.local"
run as_user "$bindir/sasl-bearer" login --with-refresh-token $B <"$S/secret-refresh"
check "once it can be made the sign-in is kept" equals "0 " "$STATUS $ERR"
chmod 500 "$USER_HOME/.local/state/sasl-bearer"
user_token $B
check "in a directory that may only be read the sign-in is still used" equals "0 " "$STATUS $ERR"
run as_user "$bindir/sasl-bearer" renew $B
check "and renewed" equals "0 " "$STATUS $ERR"
user_token box1@contoso.com
check "an application goes on from memory there" test "$STATUS" -eq 0 -a "${#OUT}" -gt 1000
check "with one warning" equals 1 "$(printf '%s\n' "$ERR" | grep -c "$USER_HOME/.local/state/sasl-bearer")"

# ---- a file that is taken away from a program that has it open

servers_start
relay_start --login "$B:" --set smtp_destination_concurrency_failed_cohort_limit=0
relay_send $B alice@contoso.com
check "Postfix sends" equals sent "$OUTCOME"
mv "$file" "$S/secret-moved"
relay_send $B alice@contoso.com
check "a file renamed below a jailed Postfix goes on being used" equals sent "$OUTCOME"
rm "$S/secret-moved"
second_over() {
    [ "$(date +%s)" -ge "$noticed" ]
}
noticed=$(($(date +%s) + 2)) # what was read is good for a second
wait_for 5 second_over
relay_send $B alice@contoso.com
check "a file deleted below a jailed Postfix defers the mail" equals deferred "$OUTCOME"
check "for something that passes" says "remote authentication server unavailable" "$REASON"
check "with the file in the log, and what to do" relay_told "$file" $B delegated '[a-z]*'
sign_in $B
postfix_reload "$RELAY_HOME"
check "after a new sign-in and a reload it goes out" equals sent "$(postfix_retry "$RELAY_HOME" "$QUEUE_ID")"
integration_end
