#!/bin/sh
# A person signs in by browser: with curl in its place, at a terminal, and with Chromium.
. "${0%/*}/lib.sh"

# section TENANT LINE...: a section for all its users, with more lines.
section() {
    section_tenant=$1
    shift
    section_delegated "*@$section_tenant" organizations
    echo "oauth2_authorization_endpoint: $AUTHORITY/organizations/oauth2/v2.0/authorize"
    printf '%s\n' "$@"
}

# configure LINE...: one section, for fabrikam's people and guests, with these lines; nobody is signed in.
configure() {
    section fabrikam.com "$@" | sasl_conf
    rm -f "$STORE"/*
}

# login_start NAME USER [OPTION...]: begins a sign-in whose input is S/NAME.in; sets LINK, PORT and STATE.
login_start() {
    login_name=$1
    shift
    rm -f "$S/$login_name.in"
    mkfifo "$S/$login_name.in"
    timeout --foreground 60 "$bindir/sasl-bearer" login "$@" <"$S/$login_name.in" >"$S/$login_name.out" 2>"$S/$login_name.err" &
    login_pid=$!
    exec 7>"$S/$login_name.in"
    fixture wait_for 20 login_ready "$S/$login_name"
    LINK=$(grep '^https:' "$S/$login_name.out")
    PORT=$(printf '%s' "$LINK" | sed -n 's/.*redirect_uri=http%3A%2F%2F[^&]*%3A\([0-9]*\).*/\1/p')
    STATE=$(printf '%s' "$LINK" | sed 's/.*[?&]state=\([^&]*\).*/\1/')
}

# The link is there, or there will be none.
login_ready() {
    grep -q '^https:' "$1.out" || ! kill -0 "$login_pid" 2>/dev/null
}

# login_end [NAME PID]: waits for the end of a sign-in, the last one begun; sets STATUS, OUT and ERR.
login_end() {
    exec 7>&-
    STATUS=0
    wait "${2:-$login_pid}" || STATUS=$?
    OUT=$(cat "$S/${1:-$login_name}.out")
    ERR=$(cat "$S/${1:-$login_name}.err")
}

# browse [OPTION...]: follows the link as a browser would; the last page goes to PAGE.
browse() {
    PAGE=$(curl -sS --cacert "$CA" -L "$@" "$LINK" 2>&1)
}

# address: prints where the link leads, without going there.
address() {
    curl -sS --cacert "$CA" -o "$S/address.page" -w '%{redirect_url}' "$LINK"
}

# fetch ADDRESS [OPTION...]: prints the answer's status, then its body.  Addresses hold codes: not on a command line.
fetch() {
    fetch_url=$1
    shift
    printf 'url = "%s"\n' "$fetch_url" | curl -sS -g -w '%{stderr}%{http_code}' -K - "$@" 2>&1
}

# signs_in NAME USER [OPTION...]: a sign-in by a browser that shows no page.
signs_in() {
    signs_in_name=$1
    shift
    login_start browser "$@"
    browse
    login_end
    check "$signs_in_name" equals "0 " "$STATUS $ERR"
}

# refuses NAME USER STATUS TEXT [OPTION...]: the sign-in fails; terminal and page say why.
refuses() {
    refuses_name=$1 refuses_user=$2 refuses_status=$3 refuses_text=$4
    shift 4
    login_start browser "$refuses_user" "$@"
    browse
    login_end
    check "$refuses_name" equals "$refuses_status" "$STATUS"
    check "$refuses_name: said here" says "$refuses_text" "$ERR"
    check "$refuses_name: said in the browser" says "You are not signed in" "$PAGE"
    check "$refuses_name: with the reason" says "$refuses_text" "$(printf '%s' "$PAGE" | sed "s/&#39;/'/g")"
    check "$refuses_name: nothing is kept" fails 77 sasl_bearer token "$refuses_user"
}

imap() {
    cyrus_login imtest "$DOVECOT_IMAP_PORT" "$@"
}

integration_begin
entra_start
imap_start

# ---- from the link to the mailbox

configure
settings '{"authorize_outcome": "approve"}'
login_start first bob@fabrikam.com
check "the link says who is to sign in" says '&login_hint=bob%40fabrikam.com' "$LINK"
check "and asks for a proof of possession" says '&code_challenge_method=S256' "$LINK"
check "the wait is on 127.0.0.1" says 404 "$(fetch "http://127.0.0.1:$PORT/favicon.ico" -H "Host: localhost:$PORT")"
check "and on ::1" says 404 "$(fetch "http://[::1]:$PORT/favicon.ico" -H "Host: localhost:$PORT")"
check "nobody takes an answer to something else" says 400 "$(fetch "http://localhost:$PORT/?code=x&state=wrong")"
check "or one without a state" says 400 "$(fetch "http://localhost:$PORT/?code=x")"
check "or by a name from elsewhere" says 400 "$(fetch "http://localhost:$PORT/?code=x&state=$STATE" -H 'Host: evil.example.com')"
check "or in another way than asked for" says 405 "$(fetch "http://localhost:$PORT/?code=x&state=$STATE" -d code=x)"
check "none of which ends the wait" kill -0 "$login_pid"
browse -i
login_end
check "then the right answer comes" equals "0 " "$STATUS $ERR"
check "which is said" says "bob@fabrikam.com is signed in." "$OUT"
check "and what is to be done" says "run: postfix reload" "$OUT"
check "the page says who signed in" says "You are signed in as bob@fabrikam.com" "$PAGE"
check "and that is all" says "You may close this tab" "$PAGE"
check "it is kept nowhere" says "Cache-Control: no-store" "$PAGE"
check "it may load nothing" says "Content-Security-Policy: default-src 'none'" "$PAGE"
check "and tells nobody where it was" says "Referrer-Policy: no-referrer" "$PAGE"
check "one code was redeemed" equals 1 "$(counter token.authorization_code)"
check "the port is closed" fails 7 curl -sS "http://localhost:$PORT/"
check "bob's mailbox opens" imap bob@fabrikam.com XOAUTH2
run sasl_bearer renew bob@fabrikam.com
check "the sign-in is renewed" equals "0 " "$STATUS $ERR"

# ---- where the answer comes in

login_start six bob@fabrikam.com
fetch "$(address)" --resolve "localhost:$PORT:[::1]" >"$S/six.page"
login_end
check "an answer over IPv6" equals "0 " "$STATUS $ERR"

control "apps/$DELEGATED_CLIENT" '{"redirect_uris": ["http://localhost/signed/in"]}' >/dev/null
own_port=$(mail_port "$S/own")
configure "oauth2_redirect_uri: http://localhost:$own_port/signed/in"
login_start own bob@fabrikam.com
check "a port and a path of one's own" equals "$own_port" "$PORT"
check "where nothing else is" says 404 "$(fetch "http://localhost:$PORT/?code=x&state=$STATE")"
run sasl_bearer login bob@fabrikam.com </dev/null
check "which can be taken" remark 75 "on port $own_port: Address already in use"
browse
login_end
check "and are good for an answer" equals "0 " "$STATUS $ERR"
mail_ports_release "$S/own"

control "apps/$DELEGATED_CLIENT" '{"redirect_uris": ["http://localhost", "https://login.microsoftonline.com/common/oauth2/nativeclient"]}' >/dev/null
configure
login_start left bob@fabrikam.com
left_pid=$login_pid left_link=$LINK
exec 8>&7
login_start right erin@fabrikam.com
browse
login_end
check "of two at the same time the one" says "erin@fabrikam.com is signed in." "$OUT$ERR"
LINK=$left_link
browse
exec 8>&-
login_end left "$left_pid"
check "and the other" says "bob@fabrikam.com is signed in." "$OUT$ERR"

# ---- pasting

configure
login_start paste bob@fabrikam.com
printf 'hello\n' >&7
fixture wait_for 20 grep -q "it has no 'state=' in it" "$S/paste.out"
printf 'http://localhost:%s/?code=x&state=wrong\n' "$PORT" >&7
fixture wait_for 20 grep -q 'the end of another sign-in' "$S/paste.out"
printf ' %s \n' "$(address)" >&7
login_end
check "a pasted address, after two that were none" equals "0 " "$STATUS $ERR"

login_start parameters bob@fabrikam.com
printf '%s' "$(address)" | sed 's/^[^?]*?//' >&7
login_end
check "only its parameters, without an end of line" equals "0 " "$STATUS $ERR"

login_start closed bob@fabrikam.com
exec 7>&-
browse
login_end
check "the end of standard input is not the end" equals "0 " "$STATUS $ERR"

configure 'oauth2_redirect_uri: https://login.microsoftonline.com/common/oauth2/nativeclient'
login_start native bob@fabrikam.com
check "a redirect URI elsewhere has nobody listen" equals "" "$PORT"
printf '%s\n' "$(address)" >&7
login_end
check "and is pasted" equals "0 " "$STATUS $ERR"
run sasl_bearer login bob@fabrikam.com </dev/null
check "if there is anybody to do so" equals 64 "$STATUS"
check "which is said, too" equals "sasl-bearer: standard input ended before anybody pasted the address" "$ERR"

configure
login_start broken bob@fabrikam.com
kill -TERM "$login_pid"
login_end
check "a signal ends the wait" equals "77 sasl-bearer: the sign-in was broken off" "$STATUS $ERR"

# at_terminal ENDING: a sign-in at a terminal; sets OUT.
at_terminal() {
    OUT=$(python3 "$top_srcdir/tests/integration/at_terminal.py" "$CA" "$1" \
        "$bindir/sasl-bearer" login bob@fabrikam.com 2>&1)
}

at_terminal paste
check "an address longer than a terminal's line" says "status: 0" "$OUT"
check "is not shown" says_not PASTED "$OUT"
check "and the terminal is left in order" says "terminal: as before" "$OUT"
at_terminal interrupt
check "Control-C ends it" says "status: 77" "$OUT"
check "with a word" says "the sign-in was broken off" "$OUT"
check "and the terminal in order" says "terminal: as before" "$OUT"
at_terminal terminate
check "so does a signal" says "status: 77" "$OUT"
check "which leaves the terminal in order" says "terminal: as before" "$OUT"

# ---- who must not, who does not want to, and what goes wrong

configure
settings '{"authorize_outcome": "cancel"}'
refuses "the person cancels" bob@fabrikam.com 77 "the sign-in was declined"
settings '{"authorize_outcome": "approve", "authorize_refuse": 53003}'
refuses "a policy forbids it" bob@fabrikam.com 77 "AADSTS53003"
settings '{"authorize_refuse": 90094}'
refuses "an administrator must consent" bob@fabrikam.com 77 "AADSTS90094"
settings '{"authorize_refuse": null, "fail": {"aadsts": 7000218}}'
refuses "the code is not redeemed" bob@fabrikam.com 77 "AADSTS7000218"
settings '{"fail": null, "authorize_iss": "bad"}'
refuses "somebody else answers" bob@fabrikam.com 75 "comes from 'https://login.stranger.example/"
settings '{"authorize_iss": "good"}'
signs_in "the right one may say who it is" bob@fabrikam.com
settings '{"authorize_iss": null, "authorize_user": "alice@contoso.com"}'
configure
refuses "somebody else signs in" bob@fabrikam.com 77 "alice@contoso.com signed in, but bob@fabrikam.com was asked for"
signs_in "unless that is wanted" --any-user bob@fabrikam.com
check "the page says who it was" says "You are signed in as alice@contoso.com" "$PAGE"
settings '{"authorize_user": null}'

sasl_conf </dev/null
run sasl_bearer login bob@fabrikam.com </dev/null
check "without a client id there is no sign-in" equals 78 "$STATUS"
check "but the way to get one" says "App registrations, New registration" "$ERR"
check "and what to do with it" says "oauth2_client_id: CLIENT_ID" "$ERR"

# ---- the browser is opened where there is one

# Only in its place, like the desktop's: it follows the link in another process.
mkdir "$S/bin"
cat >"$S/bin/xdg-open" <<END
#!/bin/sh
echo opened >>$S/home/opened
curl -sS --cacert $S/ca.pem -L "\$1" >$S/home/page
END
chmod 755 "$S/bin/xdg-open" "$S"
section fabrikam.com "oauth2_ca_file: $S/ca.pem" 'oauth2_servers: localhost' >"$S/desktop.conf"
user_begin <"$S/desktop.conf"
PATH=$S/bin:$PATH as_user DISPLAY=:99 timeout 60 "$bindir/sasl-bearer" login bob@fabrikam.com </dev/null >"$S/desktop.out" 2>&1
check "the desktop's browser is opened" equals opened "$(cat "$S/home/opened")"
check "which is said" says "A browser was asked to do so." "$(cat "$S/desktop.out")"
check "and ends the sign-in" says "bob@fabrikam.com is signed in." "$(cat "$S/desktop.out")"
rm -f "$S/home/opened"
configure
PATH=$S/bin:$PATH DISPLAY=:99 login_start root bob@fabrikam.com
browse
login_end
check "root opens none" fails 1 test -e "$S/home/opened"

# ---- a real one

if command -v chromium >/dev/null; then
    settings '{"authorize_outcome": "page"}'
    rm -f "$STORE"/*
    login_start chromium bob@fabrikam.com
    run python3 "$top_srcdir/tests/integration/browser.py" "$S" "$CA" "$LINK" \
        'fill #user bob@fabrikam.com' 'click #signin' 'until You may close this tab'
    PAGE=$OUT
    check "Chromium gets to the last page" equals 0 "$STATUS"
    login_end
    check "having signed in" equals "0 " "$STATUS $ERR"
    check "the page says who" says "You are signed in as bob@fabrikam.com" "$PAGE"
    check "and loads nothing" says "resources: 0" "$PAGE"
    check "its token opens the mailbox" imap bob@fabrikam.com XOAUTH2
    login_start cancelled bob@fabrikam.com
    run python3 "$top_srcdir/tests/integration/browser.py" "$S" "$CA" "$LINK" 'click #cancel' 'until You may close this tab'
    PAGE=$OUT
    login_end
    check "one who cancels there" equals 77 "$STATUS"
    check "sees it there" says "Reason: the sign-in was declined." "$PAGE"
else
    echo "skipped: there is no chromium, so no real browser was tried"
fi

integration_end
