#!/bin/sh
# Programs that talk to a command in place of a server, with the very configurations of doc/fetchmail.md: fetchmail by IMAP
# and POP3, as a daemon and with IDLE, mutt's and mbsync's tunnels.
. "${0%/*}/../integration/lib.sh"

B=bob@fabrikam.com
SECONDS_MAX=60
LINES_OF_MUCH=700000 # some 50 MB

# block NAME: that block of the page, for our servers.
block() {
    page_block fetchmail.md "$1" |
        sed "s|imaps://%h|imaps://%h:$DOVECOT_IMAPS_PORT|; s|pop3s://%h|pop3s://%h:$DOVECOT_POP3S_PORT|
            s|imaps://outlook.office365.com|imaps://localhost:$DOVECOT_IMAPS_PORT|; s|outlook.office365.com|localhost|"
}

# ---- fetchmail

# fetchmail_by NAME [OPTION...]: fetchmail with that block of the page; what it fetches is in FETCHED.  Its own directory,
# for the pid of root's is one for all.
fetchmail_by() {
    fetchmail_home=$S/fetchmail.$1
    FETCHED=$S/fetched.$1
    if [ ! -d "$fetchmail_home" ]; then
        mkdir "$fetchmail_home"
        (umask 077; { echo "set pidfile '$fetchmail_home/pid'"; block "$1"; echo "    mda 'cat >>$FETCHED'"; } \
            >"$fetchmail_home/fetchmailrc") || return
    fi
    shift
    HOME=$S/mutt FETCHMAILHOME=$fetchmail_home with_time fetchmail "$@" </dev/null 2>&1
}
with_time() {
    timeout "$SECONDS_MAX" "$@"
}

# fetched NAME: fetchmail gets all there is, and a mail of bob's is in it.
fetched() {
    fetchmail_by "$1" -v -v --fetchall && holds 1 'of bob' "$FETCHED"
}

# holds COUNT SUBJECT FILE: so many mails with this subject.
holds() {
    equals "$1" "$(grep -c "^Subject: $2\$" "$3")"
}
holds_some() {
    grep -q "^Subject: $1\$" "$2"
}

is_not_signed_in() {
    fails 2 fetchmail_by imap -v >"$S/unsigned.out" && says "run sasl-bearer login $B" "$(cat "$S/unsigned.out")"
}

much() {
    printf 'From: a@fixture.test\nTo: %s\nSubject: much for bob\nMessage-ID: <much@fixture.test>\n\n' "$B"
    seq -f '%.0f a line that is one of very many, and of no other interest to anybody' "$LINES_OF_MUCH"
}

# deliver_much: into the mailbox that the last mail was put into.
deliver_much() {
    much_maildir=$(mailbox_path "$DOVECOT_STORE" $B)
    much >"$much_maildir/tmp/much" && chown "$MAIL_UID:$MAIL_UID" "$much_maildir/tmp/much" &&
        mv "$much_maildir/tmp/much" "$much_maildir/new/$(date +%s).much.fixture"
}

much_is_whole() {
    fetchmail_by imap --fetchall >"$S/much.out" || { cat "$S/much.out"; return 1; }
    equals "$(much | sed '1,/^$/d' | cksum)" "$(sed '1,/^Subject: much for bob/d' "$FETCHED" | sed '1,/^$/d' | head -n "$LINES_OF_MUCH" | cksum)"
}

# none_is_left: no pipe to our server.
none_is_left() {
    ! pgrep -f "sasl-bearer connect imaps://localhost:$DOVECOT_IMAPS_PORT " >/dev/null
}

daemon_is_gone() {
    ! kill -0 "$daemon_pid" 2>/dev/null && none_is_left
}

# ---- mutt, mbsync

# mutt_copies: mutt opens the mailbox through the pipe and copies its first message to a file.
mutt_copies() {
    { block mutt; echo "set quit = yes delete = no copy = no confirmappend = no confirmcreate = no resolve = no sleep_time = 0"
        echo "set mbox_type = mbox header_cache = '' certificate_file = '' wait_key = no"; } >"$S/muttrc"
    HOME=$S/mutt TERM=vt100 with_time script -qec \
        "mutt -n -F $S/muttrc -e 'push <first-entry><copy-message>$S/mutt.mbox<enter><exit>'" "$S/mutt.screen" </dev/null >/dev/null
    holds_some 'of bob' "$S/mutt.mbox" || { cat "$S/mutt.screen"; return 1; }
}

mbsync_pulls() {
    mkdir -p "$S/pull/mail"
    {
        block mbsync
        printf 'SSLType None\n\n'
        sed -n '/^IMAPStore/,$p' "$mail_dir/mbsyncrc.template" | sed "s|@HOME@|$S/pull|; s|^Account server|Account fabrikam|"
    } >"$S/pull/mbsyncrc"
    HOME=$S/pull with_time mbsync -V -c "$S/pull/mbsyncrc" -a </dev/null 2>&1 &&
        grep -rq '^Subject: of bob' "$S/pull/mail"
}

integration_begin
trap 'kill $(cat "$S"/fetchmail.*/pid 2>/dev/null | grep "^[0-9]*$") 2>/dev/null; integration_clean' EXIT
PATH=$bindir:$PATH
mkdir "$S/mutt"
entra_start
imap_start
section_delegated '*@fabrikam.com' fabrikam.com | sasl_conf
mailbox_deliver "$DOVECOT_STORE" $B 'of bob'

check "fetchmail shows who has not signed in" is_not_signed_in
sign_in $B

check "fetchmail fetches by IMAP" fetched imap
check "fetchmail fetches by POP3" fetched pop3
check "mutt reads through the pipe" mutt_copies
check "mbsync pulls through the pipe" mbsync_pulls

# ---- as a daemon

mailbox_deliver "$DOVECOT_STORE" $B 'first for the daemon'
: >"$S/daemon.log" # it wants one that is there
check "fetchmail becomes a daemon" fetchmail_by daemon --verbose --logfile "$S/daemon.log"
check "it fetches" wait_for 30 holds_some 'first for the daemon' "$FETCHED"
daemon_pid=$(head -n 1 "$S/fetchmail.daemon/pid")
check "it sleeps" wait_for 20 grep -q 'sleeping at' "$S/daemon.log"
mailbox_deliver "$DOVECOT_STORE" $B 'second for the daemon'
check "woken up, it fetches again" fetchmail_by daemon
check "what came meanwhile" wait_for 30 holds_some 'second for the daemon' "$FETCHED"
check "and what it had is not fetched again" holds 1 'first for the daemon' "$FETCHED"
check "told to end, it does" fetchmail_by daemon --quit
check "nothing of it is left" wait_for 20 daemon_is_gone

# ---- IDLE

fetchmail_by idle -v >"$S/idle.out" 2>&1 &
FETCHED=$S/fetched.idle
check "fetchmail waits in IDLE" wait_for 30 grep -q 'IMAP> .* IDLE' "$S/idle.out"
mailbox_deliver "$DOVECOT_STORE" $B 'of bob, later'
check "and fetches what comes at once" wait_for 30 holds_some 'of bob, later' "$FETCHED"
kill "$(head -n 1 "$S/fetchmail.idle/pid")"
check "ended, it leaves no pipe behind" wait_for 20 none_is_left

# ---- a large one

deliver_much
check "50 MB arrive as they were" much_is_whole
integration_end
