#!/bin/sh
# What `sasl-bearer check` calls things: every refusal of doc/troubleshooting.md, Microsoft's numbers and the mail servers'
# words, and every trouble of our own that can be made.  Each is one problem that says what it means and what to do, and
# what depends on it is passed over.  tests/check-troubleshooting.sh keeps that page and the sources the same.
. "${0%/*}/lib.sh"

A=relay@contoso.com
B=bob@fabrikam.com
# Who has no time for a second attempt, of which there is one where the identity provider has trouble.
A_IN_HASTE=box1@contoso.com
# A server nobody comes to, so that none of the world's is asked.
NOWHERE=imaps://localhost:1

# explained: prints "heading|name|meaning|who acts|what to do" for each row of the page's lists.
explained() {
    awk '
    function flush() {
        if (row != "" && match(row, /^\* \*\*[^*]*\*\* /)) {
            name = substr(row, 5, RLENGTH - 7)
            rest = substr(row, RLENGTH + 1)
            match(rest, / \(\*[^*]*\*\): /)
            printf "%s|%s|%s|%s|%s\n", heading, name, substr(rest, 1, RSTART - 1), substr(rest, RSTART + 3, RLENGTH - 7),
                substr(rest, RSTART + RLENGTH)
        }
        row = ""
    }
    /^<!-- end of / { flush(); on = 0 }
    /^<!-- [a-z_]*\.c -->$/ { on = 1; next }
    !on { next }
    /^### / { flush(); heading = substr($0, 5); next }
    /^\* / { flush(); row = $0; next }
    /^  / { sub(/^ */, " "); row = row $0 }
    ' "$top_srcdir/doc/troubleshooting.md"
}

# look ARGUMENT...: sets FOUND to what a check finds.
look() {
    examine sasl_bearer check --json "$@"
}

# names AREA TEXT MEANING REMEDY: there is just one problem, there, which says all of that; and the exit status says so.
names() {
    equals 69 "$STATUS" && equals 1 "$(printf '%s\n' "$FOUND" | grep -c '^problem ')" &&
        printf '%s\n' "$FOUND" | grep "^problem $1: " | grep -F -e "$2" | grep -F -e "$3" | sed 's/^.* => //' | grep -qF -e "$4" || {
        printf 'expected: problem %s: %s, %s => %s\nfound:\n%s\n' "$1" "$2" "$3" "$4" "$FOUND"
        return 1
    }
}

# passes_over AREA TEXT: that was not looked at, for the reason that is named.
passes_over() {
    found skipped "$1" "" "$2"
}

# as_nobody: the application has no token, and no failure is remembered.
as_nobody() {
    rm -f "$STORE"/app_only-*
}

# Neither systemd nor Postfix has anything to say here: both have tests of their own.
say_nothing() {
    mkdir "$S/bin"
    for program in systemctl postconf; do
        printf '#!/bin/sh\n' >"$S/bin/$program" && chmod 755 "$S/bin/$program"
    done
    PATH=$S/bin:$PATH
}

# long_ago: bob signed in, and his token has ended since.
long_ago() {
    cp "$S/long_ago.token" "$(token_file $B)"
}

has_ended() {
    sasl_bearer status --json $B | grep -q '"state": "due"'
}

usual_conf() {
    {
        section_app_only $A
        section_delegated '*@fabrikam.com' fabrikam.com
        section_app_only $A_IN_HASTE
        echo 'oauth2_timeout: 2'
    } | sasl_conf
}

integration_begin
entra_start
say_nothing
usual_conf
explained >"$S/explained"
check "the page's lists can be read" equals "$(grep -c '^\* \*\*' "$top_srcdir/doc/troubleshooting.md")" "$(grep -c . "$S/explained")"
settings '{"access_token_lifetime": 1}'
sign_in $B
settings '{"access_token_lifetime": 3600}'
fixture wait_for 20 has_ended
cp "$(token_file $B)" "$S/long_ago.token"

# ---- Microsoft's numbers: what is the user's to mend for a person, the rest for an application

grep '|AADSTS' "$S/explained" >"$S/numbers"
while IFS='|' read -r heading number meaning who remedy; do
    settings "{\"fail\": {\"aadsts\": ${number#AADSTS}}}"
    case $who in
    user) long_ago && look --server $NOWHERE $B ;;
    nobody*) as_nobody && look --server $NOWHERE $A_IN_HASTE ;;
    *) as_nobody && look --server $NOWHERE $A ;;
    esac
    check "$number ($heading): $meaning" names token "$meaning: the identity provider says " "$number: " "$remedy"
done <"$S/numbers"

settings '{"fail": {"aadsts": 50076}}'
long_ago
look --server $NOWHERE $B
check "somebody who has to sign in again is told how" names token "second factor needed" AADSTS50076 "(sasl-bearer login $B)"
check "and nobody logs in until then" passes_over login "first sign in"
as_nobody
look --server $NOWHERE $A
check "an application is not told to sign in" names token "second factor needed" AADSTS50076 "check the application's registration and sasl.conf"
settings '{"fail": {"aadsts": 7000215}}'
as_nobody
run sasl_bearer check --server $NOWHERE $A
check "for people: the number" says "AADSTS7000215: " "$OUT"
check "for people: what it means" says "problem   client secret wrong: " "$OUT"
check "for people: who acts, and how" says "=> whoever set this up: use the client secret's Value, not its ID," "$OUT"
check "for people: how many problems" says "1 problem" "$OUT"
check "for people: the exit status" equals 69 "$STATUS"
check "and nothing else is a problem" passes_over login "first mend what keeps the token away"
long_ago
look
check "without a user the attempt that failed is named" names store "$A: the last attempt to get a token failed: client secret wrong" AADSTS7000215 "renew --all"
settings '{"fail": null}'
sasl_bearer renew $A >"$S/renewed"
look --server $NOWHERE $A
check "what works is not named" says_not AADSTS "$FOUND"

# ---- what mail servers say

exchange_start
IMAPS=imaps://localhost:$(json_member imaps_port <"$exchange/ready.json")
POPS=pop3s://localhost:$(json_member pops_port <"$exchange/ready.json")
SMTP=smtp://localhost:$EXCHANGE_SMTP_PORT
sasl_bearer renew $A >"$S/renewed"

# sample PATTERN: a reply that fits.
sample() {
    printf '%s\n' "$1" | sed 's/…/ x /g; s/\([0-9][0-9][0-9]\)?\([0-9]\)/\1 \2/; s/?/1/g; s/$/x/; s/^no /NO /; s/^bad /BAD /; s/^bye /BYE /; s/^-err /-ERR /'
}

# provoke HEADING REPLY: the server says that where it would.  Sets SERVER.
provoke() {
    set -- "$1" "$(printf '%s' "$2" | sed 's/"/\\"/g')"
    case $1.$2 in
    IMAP.BYE*) SERVER=$IMAPS && stage=imap.greeting ;;
    IMAP.*) SERVER=$IMAPS && stage=imap.auth ;;
    POP3.*) SERVER=$POPS && stage=pop.auth ;;
    SMTP.421*) SERVER=$SMTP && stage=smtp.greeting ;;
    SMTP.530*) SERVER=$SMTP && stage=smtp.use ;;
    SMTP.55*) SERVER=$SMTP && stage=smtp.data ;;
    *) SERVER=$SMTP && stage=smtp.auth ;;
    esac
    settings "{\"mail_replies\": {\"$stage\": \"$2\"}}"
}

grep -v '|AADSTS' "$S/explained" >"$S/replies"
while IFS='|' read -r heading pattern meaning who remedy; do
    reply=$(sample "$(printf '%s' "$pattern" | tr -d '`')")
    case $heading in
    'a challenge'*) provoke challenge "334 $(printf '{%s}' "$reply" | sed 's/ x "/"/; s/" x /":"/; s/ xx*}/"}/; s/x}/"}/' | base64 -w 0)" ;;
    *) provoke "$heading" "$reply" ;;
    esac
    look --server "$SERVER" --send-to alice@contoso.com $A
    grantee=$(printf '%s\n' "$FOUND" | sed -n 's/.* -ObjectId \([^ ]*\) .*/\1/p')
    remedy=$(printf '%s\n' "$remedy" | sed "s/MAILBOX/$A/g; s/GRANTEE/$grantee/g")
    check "$heading: $pattern" names login "$SERVER: " ": $meaning" ": $remedy"
done <"$S/replies"
settings '{"mail_replies": {}}'

# ---- our own troubles

while IFS='|' read -r name change text remedy; do
    settings "$change"
    as_nobody
    look --server $NOWHERE $A_IN_HASTE
    settings '{"fail": null, "hold": false}'
    check "$name" names token "$text" "" "$remedy"
done <<'END'
later: throttled|{"fail": {"status": 429, "retry_after": 120}}|is asked too often and wants a pause of 120 s|it passes
later: no answer|{"hold": true}|no answer from https://localhost|look at the area network
later: no network|{"fail": {"drop": true}}|cannot reach https://localhost|look at the area network
peer: a page for people in its place|{"fail": {"html": true}}|is a proxy or a login page in between?|
peer: an answer without a token|{"fail": {"status": 200, "body": "{}"}}|holds no access_token|check oauth2_token_endpoint
refused: without a number|{"fail": {"status": 400, "content_type": "application/json", "body": "{\"error\": \"unauthorized_client\"}"}}|the identity provider says unauthorized_client|sasl-bearer renew box1@contoso.com
later: the identity provider has trouble|{"fail": {"status": 503, "retry_after": 120}}|has trouble of its own (HTTP 503)|try again later
END
look --server $NOWHERE $A_IN_HASTE
check "a pause that lasts is named by its reason" names token "has trouble of its own (HTTP 503)" "" "try again later"
check "and where it was noticed it says where to look" found skipped store "the last attempt to get a token failed: see token"
as_nobody

look --server $NOWHERE erin@fabrikam.com
check "sign_in: somebody who has not, which is one problem" names store "erin@fabrikam.com: nobody has signed in" "" "run sasl-bearer login erin@fabrikam.com"
check "no token is looked at until then" passes_over token "first sign in"
check "nobody logs in until then" passes_over login "first sign in"
sed -i 's/^oauth2_client_id: 0c1d/oauth2_client_id: 1c1d/' "$SASL_CONF_PATH/sasl.conf"
look --server $NOWHERE $B
check "sign_in: under other settings" names store "the sign-in was made under other settings" "" "run sasl-bearer login $B"
check "nobody logs in with that" passes_over login "first sign in"
usual_conf
look --server $NOWHERE nobody@nowhere.example
check "no_account: no section" names account "no section of sasl.conf covers 'nobody@nowhere.example'" "" ""
look --server "imaps://127.0.0.1:${IMAPS##*:}" $A
check "no_account: another server" names login "server '127.0.0.1' is not among those that may be sent this token" "add 'oauth2_servers: 127.0.0.1'" ""
sed -i 's/^oauth2_client_secret_file: .*/oauth2_client_secret_file: \/no\/such\/file/' "$SASL_CONF_PATH/sasl.conf"
as_nobody
look --server $NOWHERE $A
check "config: a secret that is not there" names files "cannot open '/no/such/file'" "" ""
check "which keeps the token away" passes_over token "first mend what the area files names"
usual_conf
python3 "$top_srcdir/tests/entra/entra.py" --issue "$S/stranger" localhost
sed -i "s|^oauth2_ca_file: .*|oauth2_ca_file: $S/stranger/ca.pem|" "$SASL_CONF_PATH/sasl.conf"
as_nobody
look --server $NOWHERE $A_IN_HASTE
check "later: a certificate that cannot be trusted" names network "the certificate of https://localhost" "" "firewalls"
check "which keeps the token away, too" passes_over token "first mend what the area network names"
usual_conf
long_ago
ln "$(token_file $B)" "$S/second_name"
look --server $NOWHERE $B
check "local: a token file with two names" names store "is not a regular file with one name" "" ""
check "which keeps the token away" passes_over token "first mend the token file"
rm "$S/second_name"
integration_end
