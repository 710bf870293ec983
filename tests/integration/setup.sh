#!/bin/sh
# `sasl-bearer setup`: from nothing to a login; what it refuses, keeps, and asks; a disk that is full.
. "${0%/*}/lib.sh"

TENANT=contoso.onmicrosoft.com

# reach TENANT: puts above the first section what it takes to find the emulator.
reach() {
    {
        echo "oauth2_ca_file: $CA"
        echo "oauth2_token_store: $STORE"
        echo "oauth2_servers: localhost"
        echo "oauth2_token_endpoint: $AUTHORITY/$1/oauth2/v2.0/token"
        echo "oauth2_device_endpoint: $AUTHORITY/$1/oauth2/v2.0/devicecode"
        echo
        cat "$CONF"
    } >"$S/reached"
    cat "$S/reached" >"$CONF"
    rm -f "$STORE"/*
}

# begin: an empty sasl.conf, and nothing beside it.
begin() {
    rm -rf "$SASL_CONF_PATH"
    mkdir "$SASL_CONF_PATH"
    : >"$CONF"
}

# setup ARGUMENT...: for the application of the examples, from no terminal.
setup() {
    run sasl_bearer setup --app-only --tenant $TENANT --client-id $APP_ONLY_CLIENT "$@" </dev/null
}

# settings_of FILE: without comments, blank lines and what stands above the first section.
settings_of() {
    sed -n '/^\[/,$p' "$1" | grep .
}

# known FILE: the registration has this certificate and no other.
known() {
    python3 -c 'import json, sys
print(json.dumps({"certificates": [sys.stdin.read()]}))' <"$1" >"$S/known.json"
    curl -sS --fail-with-body -H 'Content-Type: application/json' --data-binary "@$S/known.json" \
        "$CONTROL/apps/$APP_ONLY_CLIENT" >/dev/null
}

# said_on TEXT STRING: the string says so, be it folded or not.
said_on() {
    says "$1" "$(printf '%s' "$2" | tr '\n' ' ' | sed 's/  */ /g')"
}

# fits WIDTH TEXT: no line is wider, but for single words, scripts, what goes into files and what is indented for being copied.
fits() {
    printf '%s\n' "$2" | sed "s|$SASL_CONF_PATH|/etc/sasl2|g" | tr -d '\r' |
        awk -v width="$1" '/^(    |[+-] |#|[A-Z][a-z]*-[A-Z]|[0-9]\. (sasl-bearer|postmap) |\[smtp|[a-z_]* = )/ || NF == 1 { next }
            length($0) > width { print "too wide: " $0; wide = 1 } END { exit wide }'
}

# unchanged TEXT: sasl.conf holds just that, and nothing stands beside it.
unchanged() {
    equals "$1" "$(cat "$CONF")" && equals sasl.conf "$(ls "$SASL_CONF_PATH")"
}

setup_clean() {
    umount "$S/disk" 2>/dev/null || umount -l "$S/disk" 2>/dev/null
    integration_clean
}

integration_begin
CONF=$SASL_CONF_PATH/sasl.conf
trap 'setup_clean' EXIT
entra_start
imap_start

# ---- an application with a secret, from options

begin
run sasl_bearer setup --app-only --yes --tenant $TENANT --client-id $APP_ONLY_CLIENT --secret-file - \
    --secret-expires 2099-01-31 --mailbox relay@contoso.com --mailbox box1@contoso.com <"$S/secret"
check "an application is set up from options" equals "0 " "$STATUS $ERR"
check "its section is that of the mailboxes' domain" equals "[*@contoso.com]
oauth2_provider:              app_only
oauth2_tenant:                $TENANT
oauth2_client_id:             $APP_ONLY_CLIENT
oauth2_client_secret_file:    $SASL_CONF_PATH/contoso.com.secret
oauth2_client_secret_expires: 2099-01-31" "$(cat "$CONF")"
check "anyone may read sasl.conf" equals 644 "$(stat -c %a "$CONF")"
check "nobody else may read the secret" equals 600 "$(stat -c %a "$SASL_CONF_PATH/contoso.com.secret")"
check "which is what was given" cmp "$S/secret" "$SASL_CONF_PATH/contoso.com.secret"
check "the administrator's commands have both mailboxes" says "Add-MailboxPermission -Identity 'box1@contoso.com'" "$OUT"
check "the permissions are named" says SMTP.SendAsApp "$OUT"
check "so is the link" says "https://login.microsoftonline.com/$TENANT/adminconsent?client_id=$APP_ONLY_CLIENT" "$OUT"
check "so are Postfix' lines" says "smtp_sasl_mechanism_filter = xoauth2" "$OUT"
check "and what comes next" says "1. sasl-bearer renew relay@contoso.com" "$OUT"
check "the table is made before Postfix reads it" says "2. postmap hash:/etc/postfix/sasl_passwd && postfix reload" "$OUT"
check "what was done before is not told again" says_not "New registration" "$OUT"
check "nor to whom a secret was given" says_not "New client secret" "$OUT"
reach $TENANT
run sasl_bearer renew relay@contoso.com
check "with it a token comes" equals "0 " "$STATUS $ERR"
check "and opens the mailbox" cyrus_login imtest "$DOVECOT_IMAP_PORT" relay@contoso.com XOAUTH2
check "and the other one" cyrus_login imtest "$DOVECOT_IMAP_PORT" box1@contoso.com XOAUTH2

# ---- a secret is typed anew: the one before is kept

run sasl_bearer setup --app-only --yes --tenant $TENANT --client-id $APP_ONLY_CLIENT --secret-file - \
    --mailbox relay@contoso.com <"$S/secret"
check "the same secret again changes nothing" test ! -e "$SASL_CONF_PATH/contoso.com.secret.bak"
chmod 644 "$SASL_CONF_PATH/contoso.com.secret"
run sasl_bearer setup --app-only --yes --tenant $TENANT --client-id $APP_ONLY_CLIENT --secret-file - \
    --mailbox relay@contoso.com <"$S/secret"
check "a secret that others can read is put in order" equals '600 600' \
    "$(cd "$SASL_CONF_PATH" && stat -c %a contoso.com.secret contoso.com.secret.bak | tr '\n' ' ' | sed 's/ $//')"
rm "$SASL_CONF_PATH/contoso.com.secret.bak"
echo another-secret >"$S/another"
run sasl_bearer setup --app-only --yes --tenant $TENANT --client-id $APP_ONLY_CLIENT --secret-file - \
    --mailbox relay@contoso.com <"$S/another"
check "another secret is taken" equals another-secret "$(cat "$SASL_CONF_PATH/contoso.com.secret")"
check "the one before is kept" cmp "$S/secret" "$SASL_CONF_PATH/contoso.com.secret.bak"
check "closed to others" equals 600 "$(stat -c %a "$SASL_CONF_PATH/contoso.com.secret.bak")"
check "and that is said" said_on "The one before is $SASL_CONF_PATH/contoso.com.secret.bak." "$OUT"
begin
run sasl_bearer setup --app-only --yes --tenant $TENANT --client-id $APP_ONLY_CLIENT --secret-file - \
    --secret-expires 2099-01-31 --mailbox relay@contoso.com <"$S/secret"

# ---- once more: what is there is kept

rm -f "$CONF.bak" # it was empty
cp "$CONF" "$S/before"
setup --yes --secret-file "$SASL_CONF_PATH/contoso.com.secret" relay@contoso.com '--secret-expires' 2099-06-30
check "a name gets a section of its own" equals "[*@contoso.com] [relay@contoso.com]" "$(grep '^\[' "$CONF" | tr '\n' ' ' | sed 's/ $//')"
check "the file before is kept" cmp "$S/before" "$CONF.bak"
check "and named" said_on "The one before is $CONF.bak." "$OUT"
cp "$CONF" "$S/before"
setup --yes --secret-file "$SASL_CONF_PATH/contoso.com.secret" relay@contoso.com
check "a section that stands there already is replaced, and that is said" says "[relay@contoso.com] stands there already" "$OUT"
check "line by line" says "- oauth2_client_secret_expires: 2099-06-30" "$OUT"
check "this one is kept, too" cmp "$S/before" "$CONF.bak2"
setup --yes --secret-file "$SASL_CONF_PATH/contoso.com.secret" relay@contoso.com
check "what stands there just so is not written again" says "says just that already" "$OUT"
check "nor kept" test ! -e "$CONF.bak3"

# ---- a certificate

begin
setup --yes --make-certificate "$SASL_CONF_PATH/relay.pem" --mailbox relay@contoso.com
check "a certificate is made" equals "0 " "$STATUS $ERR"
check "the key is closed" equals "600 644" "$(stat -c %a "$SASL_CONF_PATH/relay.pem") $(stat -c %a "$SASL_CONF_PATH/relay.crt")"
for sum in sha1 sha256; do
    check "its thumbprint is shown ($sum)" says \
        "$(openssl x509 -in "$SASL_CONF_PATH/relay.crt" -noout -fingerprint -$sum | sed 's/.*=//' | tr -d :)" "$OUT"
done
check "so is what to upload" says "       $SASL_CONF_PATH/relay.crt" "$OUT"
check "once" equals 1 "$(printf '%s\n' "$OUT" | grep -c 'relay\.crt')"
known "$SASL_CONF_PATH/relay.crt"
reach $TENANT
run sasl_bearer renew relay@contoso.com
check "the identity provider takes it" equals "0 " "$STATUS $ERR"
check "and it opens the mailbox" cyrus_login imtest "$DOVECOT_IMAP_PORT" relay@contoso.com XOAUTH2
setup --yes --make-certificate "$SASL_CONF_PATH/relay.pem" --mailbox relay@contoso.com
setup --yes --secret-file "$S/secret" --mailbox relay@contoso.com
check "a certificate that is used no longer is named" said_on "Its certificate, $SASL_CONF_PATH/relay.pem, is used no longer; the file stays as it is." "$OUT"
setup --yes --certificate "$SASL_CONF_PATH/relay.pem" --mailbox relay@contoso.com
check "so is a secret" said_on "Its secret, $S/secret, is used no longer; the file stays as it is." "$OUT"
check "and it stays" test -s "$S/secret"
setup --yes --make-certificate "$SASL_CONF_PATH/relay.pem" --mailbox relay@contoso.com
check "a key is never replaced" says "'$SASL_CONF_PATH/relay.crt' is there already, and is not replaced" "$ERR"
check "and the key that there was is whole" openssl rsa -in "$SASL_CONF_PATH/relay.pem" -check -noout

# ---- a person, and a shared mailbox

begin
run sasl_bearer setup --delegated --yes --client-id $DELEGATED_CLIENT --mailbox info@fabrikam.com bob@fabrikam.com </dev/null
check "a person is set up from options" equals "0 " "$STATUS $ERR"
check "the tenant is their domain; the shared mailbox is theirs to open" equals "[bob@fabrikam.com]
oauth2_provider:  delegated
oauth2_tenant:    fabrikam.com
oauth2_client_id: $DELEGATED_CLIENT
[info@fabrikam.com]
oauth2_identity: bob@fabrikam.com" "$(settings_of "$CONF")"
check "the person's permissions are named" says SMTP.Send "$OUT"
check "next they sign in" says "1. sasl-bearer login bob@fabrikam.com" "$OUT"
reach fabrikam.com
sign_in bob@fabrikam.com
check "they open their mailbox" cyrus_login imtest "$DOVECOT_IMAP_PORT" bob@fabrikam.com XOAUTH2
check "and the shared one" cyrus_login imtest "$DOVECOT_IMAP_PORT" info@fabrikam.com XOAUTH2

# ---- on a desktop

user_begin <"$CONF"
rm -r "$USER_HOME/.config"
run as_user "$bindir/sasl-bearer" setup --delegated --yes --client-id $DELEGATED_CLIENT bob@fabrikam.com </dev/null
check "without rights, one's own sasl.conf is written" equals "0 [bob@fabrikam.com]" \
    "$STATUS $(head -n 1 "$USER_HOME/.config/sasl2/sasl.conf")"
check "it is theirs" equals "$USER_ID" "$(stat -c %u "$USER_HOME/.config/sasl2/sasl.conf")"
check "Postfix is not for them" says_not relayhost "$OUT"
check "and the rest is for somebody else" says "In Exchange Online, by an administrator" "$OUT"
run as_user "$bindir/sasl-bearer" setup --system --delegated --yes --client-id $DELEGATED_CLIENT bob@fabrikam.com </dev/null
check "the system's is not theirs to write" says "cannot write '$S/empty/sasl.conf': Permission denied" "$ERR"

# ---- what is refused, in the words of sasl.conf's own errors

begin
echo '# mine' >"$CONF"

# refuses NAME TEXT ARGUMENT...: nothing is changed, and that is the reason.
refuses() {
    refuses_name=$1 refuses_text=$2
    shift 2
    run sasl_bearer setup "$@" </dev/null
    check "refused: $refuses_name" remark 64 "$refuses_text"
    check "refused, and nothing changed: $refuses_name" unchanged '# mine'
}
GOOD="--app-only --yes --client-id $APP_ONLY_CLIENT --secret-file $S/secret"
# shellcheck disable=SC2086 # words, from here to the end of this part
{
    refuses "nothing at all" "this is missing: --delegated or --app-only, USER, --tenant, --client-id, --yes"
    refuses "half of it" "this is missing: --client-id, --secret-file, --certificate or --make-certificate, --yes" \
        --app-only --mailbox relay@contoso.com
    refuses "both stories at once" "--delegated and --app-only exclude each other" --delegated $GOOD relay@contoso.com
    refuses "two credentials" "--secret-file, --certificate and --make-certificate exclude each other" \
        $GOOD --certificate /etc/relay.pem relay@contoso.com
    refuses "a tenant of two words" "oauth2_tenant is 'my tenant'; it must be one word without blanks" \
        $GOOD --tenant 'my tenant' relay@contoso.com
    refuses "a cloud that is none" "oauth2_cloud is 'mars'; it can be: public usgov usgov_dod china" \
        $GOOD --cloud mars relay@contoso.com
    refuses "a date in another form" "oauth2_client_secret_expires is '31.01.2027'; it must be a date in the form 2027-01-31" \
        $GOOD --secret-expires 31.01.2027 relay@contoso.com
    refuses "a file without a path" "oauth2_client_secret_file is 'my.secret'; it must be an absolute path, which begins with /" \
        --app-only --yes --client-id x --secret-file my.secret relay@contoso.com
    refuses "a mailbox that is none" "'relay' is no mailbox; one reads user@domain" $GOOD --mailbox relay
    refuses "a mailbox with a line in it" "is no mailbox; one reads user@domain" $GOOD --mailbox 'relay@contoso.com
[*]'
    refuses "mailboxes of two domains" "are in two domains: run setup for each, or name one pattern for both" \
        $GOOD --mailbox relay@contoso.com --mailbox bob@fabrikam.com
    refuses "a mailbox that the section is not for" "mailbox 'bob@fabrikam.com' is not covered by '*@contoso.com'" \
        $GOOD --mailbox bob@fabrikam.com '*@contoso.com'
    refuses "a shared mailbox of everybody's" "a shared mailbox is opened by one person: name them, not '*@fabrikam.com'" \
        --delegated --yes --client-id x --mailbox info@fabrikam.com '*@fabrikam.com'
    refuses "an Object ID that is the client id" "that is the Application (client) ID; the Object ID is another one" \
        $GOOD --object-id $APP_ONLY_CLIENT relay@contoso.com
    refuses "an end of nothing" "--secret-expires is about a secret, and there is none" \
        --delegated --yes --client-id x --secret-expires 2027-01-31 bob@fabrikam.com
    run sasl_bearer setup --app-only --yes --client-id x --secret-file - relay@contoso.com <<'END'
0f8fad5b-d9cb-469f-a165-70867728950e
END
    check "refused: a secret's ID in place of its Value" remark 64 "that is a GUID, which is the secret's ID: its Value is wanted"
    check "and nothing changed" unchanged '# mine'
    run sasl_bearer setup $GOOD --tenant organizations relay@contoso.com </dev/null
    check "refused: a tenant that an application cannot have" remark 78 \
        "$CONF:3: [relay@contoso.com] has oauth2_tenant 'organizations': provider app_only needs the tenant's id or domain"
    check "and nothing changed, though it could only be told from the whole" unchanged '# mine'
    chmod 644 "$S/secret"
    run sasl_bearer setup $GOOD relay@contoso.com </dev/null
    check "refused: a secret that anyone can read" remark 78 "'$S/secret' holds a secret and anyone can read it: run chmod o= '$S/secret'"
    chmod 600 "$S/secret"
    echo 'what is this' >"$CONF"
    run sasl_bearer setup $GOOD relay@contoso.com </dev/null
    check "refused: a sasl.conf that cannot be read as a whole" remark 78 \
        "$CONF:1: neither 'option: value' nor a [section] nor a # comment"
}

# ---- what stands in the way of it

begin
printf '[relay@contoso.com]\noauth2_client_id: x\noauth2_tenant: y\n' >"$CONF"
setup --yes --secret-file "$S/secret" --mailbox relay@contoso.com
check "a section that comes before is told" says \
    "'relay@contoso.com' is covered by [relay@contoso.com] at $CONF:1, which comes before [*@contoso.com]" "$ERR"
begin
mkdir "$CONF.d"
printf '[*@contoso.com]\noauth2_tenant: y\n' >"$CONF.d/mine.conf"
setup --yes --secret-file "$S/secret" --mailbox relay@contoso.com
check "so is a mistake that comes of two files" says \
    "$CONF is written, but: $CONF.d/mine.conf:1: section [*@contoso.com] stands already at $CONF:1; join them" "$ERR"
check "with the status of a mistake" equals 78 "$STATUS"

# ---- for scripts

begin
run sasl_bearer setup --print-powershell --mailbox "o'brien@contoso.com" --mailbox relay@contoso.com --object-id my-object
check "PowerShell is printed, and no name leaves its quotes" says \
    "Add-MailboxPermission -Identity 'o''brien@contoso.com' -User 'my-object' -AccessRights FullAccess" "$OUT"
check "each mailbox has its lines" equals 2 "$(printf '%s\n' "$OUT" | grep -c '^Add-MailboxPermission ')"
setup --yes --secret-file "$S/secret" relay@contoso.com
ls -l "$SASL_CONF_PATH" >"$S/before"
run sasl_bearer setup --print-consent-url relay@contoso.com
check "a link is printed with what sasl.conf knows, and nothing else" equals \
    "https://login.microsoftonline.com/$TENANT/adminconsent?client_id=$APP_ONLY_CLIENT" "$OUT"
check "printing changes nothing" equals "$(cat "$S/before")" "$(ls -l "$SASL_CONF_PATH")"

# ---- a full disk

mkdir "$S/disk"
if mount -t tmpfs -o size=64k,mode=755 tmpfs "$S/disk" 2>"$S/mount.err"; then
    printf '# mine\noauth2_timeout: 9\n' >"$S/disk/sasl.conf"
    cp "$S/disk/sasl.conf" "$S/mine"
    dd if=/dev/zero bs=512 of="$S/disk/fill" 2>/dev/null
    for credential in "--secret-file $S/secret" '--secret-file -' "--make-certificate $S/disk/relay.pem"; do
        # shellcheck disable=SC2086 # words
        run sasl_bearer setup --conf "$S/disk/sasl.conf" --app-only --yes --client-id x $credential relay@contoso.com <"$S/secret"
        check "a full disk is told ($credential)" says "No space left on device" "$ERR"
        check "the old file is whole ($credential)" cmp "$S/mine" "$S/disk/sasl.conf"
        check "and nothing half-written stands beside it ($credential)" equals "fill sasl.conf" "$(ls "$S/disk" | tr '\n' ' ' | sed 's/ $//')"
    done
    umount "$S/disk"
else
    echo "# skipped: a full disk ($(cat "$S/mount.err"))"
fi

# ---- asked on a terminal

begin
# asked PROMPT ANSWER... -- ARGUMENT...
asked() {
    run python3 "$top_srcdir/tests/integration/answers.py" "$@"
}
echo 0f8fad5b-d9cb-469f-a165-70867728950e >"$S/secret-id"
asked '1 or 2 [1]: ' 3 '1 or 2 [1]: ' '' \
    'Mailboxes: ' 'relay box1@contoso.com' 'Mailboxes: ' 'relay@contoso.com box1@contoso.com' \
    '1 or 2 [1]: ' 2 'Tenant [contoso.com]' $TENANT 'Client ID' '' 'local directory' $APP_ONLY_CLIENT \
    'Client secret' "@$S/secret-id" 'Client secret' "@$S/secret" 'YYYY-MM-DD: ' 'soon' 'YYYY-MM-DD: ' 2099-01-31 \
    'Object ID: ' $APP_ONLY_CLIENT 'Object ID: ' 8d5c6b7a-0000-4000-8000-000000000001 'Write this? [y]' '' \
    -- "$bindir/sasl-bearer" setup
check "an application is set up by questions" equals "0 " "$STATUS $ERR"
for text in "'3' is none of them: 1 is app-only, 2 is delegated" "'relay' is no mailbox; one reads user@domain" \
    'it must be a date in the form 2027-01-31' 'that is the Application (client) ID; the Object ID is another one'; do
    check "a wrong answer is told what is expected: $text" said_on "$text" "$OUT"
done
check "the steps of the registration are told once" equals 1 "$(printf '%s\n' "$OUT" | grep -c 'Grant admin consent')"
check "with the secret, since that was chosen" says "2. Certificates & secrets, New client secret" "$OUT"
check "and nothing of Entra is left" says_not "In Entra" "$OUT"
check "the administrator's commands have the Object ID" says "-ObjectId '8d5c6b7a-0000-4000-8000-000000000001'" "$OUT"
check "all of it fits a terminal" fits 80 "$OUT"
check "what they were answered stands there" equals "[*@contoso.com]
oauth2_provider:              app_only
oauth2_tenant:                $TENANT
oauth2_client_id:             $APP_ONLY_CLIENT
oauth2_client_secret_file:    $SASL_CONF_PATH/contoso.com.secret
oauth2_client_secret_expires: 2099-01-31" "$(cat "$CONF")"
check "a secret's ID was not taken for it" says "that is a GUID, which is the secret's ID" "$OUT"
check "the secret that was typed is the secret" cmp "$S/secret" "$SASL_CONF_PATH/contoso.com.secret"
check "the terminal has not shown it" says_not "$(cat "$S/secret")" "$OUT"
reach $TENANT
run sasl_bearer renew relay@contoso.com
check "and a token comes" equals "0 " "$STATUS $ERR"

begin
asked '1 or 2 [1]: ' c 'File [' '' 'Object ID: ' '' 'Write this?' y -- \
    "$bindir/sasl-bearer" setup --app-only --tenant $TENANT --client-id $APP_ONLY_CLIENT relay@contoso.com
check "what was given is not asked; a certificate is made" test -f "$SASL_CONF_PATH/relay@contoso.com.pem"
check "the Object ID is left to do" says "Enterprise applications, the same name: note its Object ID" "$OUT"
check "this fits, too" fits 80 "$OUT"
asked '1 or 2 [1]: ' s 'Client secret' "@$S/secret" 'YYYY-MM-DD' '' 'Object ID: ' '' 'Write this?' y -- \
    sh -c 'stty cols 60; exec "$@"' sh "$bindir/sasl-bearer" setup --app-only --tenant $TENANT --client-id $APP_ONLY_CLIENT \
    relay@contoso.com
check "and a narrower terminal" fits 60 "$OUT"
begin
echo '# mine' >"$CONF"
asked 'Mailboxes: ' '' 'Tenant' '' 'Client ID' x 'Write this?' n -- "$bindir/sasl-bearer" setup --delegated bob@fabrikam.com
check "whoever says no has changed nothing" equals "64" "$STATUS"
check "and is told so" says "nothing was changed" "$OUT"
check "and nothing is" unchanged '# mine'
asked 'Mailboxes: ' '' 'Tenant' '^D' -- "$bindir/sasl-bearer" setup --delegated bob@fabrikam.com
check "whoever gives up has changed nothing" says "given up; nothing was changed" "$OUT"
check "and nothing is, either" unchanged '# mine'
asked 'Client secret' '@^C' -- "$bindir/sasl-bearer" setup --app-only --tenant x --client-id x --secret-file - \
    relay@contoso.com
check "so with Control-C while the secret is typed" equals "64" "$STATUS"
check "and nothing is, once more" unchanged '# mine'

# ---- whoever has nothing yet

begin
asked -- "$bindir/sasl-bearer" login carol@fabrikam.com
check "a sign-in without a section leads to setup" says "    sasl-bearer setup --delegated carol@fabrikam.com" "$OUT"
check "and tells how to get a client id" says "1. App registrations, New registration" "$OUT"
check "on a terminal's width" fits 80 "$OUT"
asked -- "$bindir/sasl-bearer" --help
check "help knows that connect wants a URL" says "sasl-bearer connect [OPTION]... URL USER" "$OUT"
for command in '' login logout token status renew check setup connect; do
    # shellcheck disable=SC2086 # no word for none
    asked -- "$bindir/sasl-bearer" $command --help
    check "help fits a terminal: ${command:-all}" fits 80 "$OUT"
done
integration_end
