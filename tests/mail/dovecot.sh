# dovecot.sh - a Dovecot with IMAP, POP3 and an authentication socket for smtpd(8).  To be sourced, see README.md.

# Owner of all mail.  Only a number: below the ranges of systemd and Debian's own allocations, above people.
: "${MAIL_UID:=59321}"

# dovecot_start HOME CERT KEY LUA CONTROL_PORT [LINE...]
# LUA is the passdb script; it finds http://127.0.0.1:CONTROL_PORT in its global variable entra_control.
# LINEs are added to dovecot.conf, and win over what stands there: 'auth_mechanisms = oauthbearer' is one for a server that
# offers nothing else.  Sets the DOVECOT_ variables below.
dovecot_start() {
    mail_home "$1" || return
    mail_started dovecot "$1"
    DOVECOT_HOME=$1
    DOVECOT_STORE=$1/mail
    DOVECOT_LOG=$1/dovecot.log
    DOVECOT_AUTH_SOCKET=$1/smtpd-auth
    DOVECOT_IMAP_PORT=$(mail_port "$1") &&
        DOVECOT_IMAPS_PORT=$(mail_port "$1") &&
        DOVECOT_POP3_PORT=$(mail_port "$1") &&
        DOVECOT_POP3S_PORT=$(mail_port "$1") || return 1
    mkdir -p "$1/state" "$DOVECOT_STORE" && chown "$MAIL_UID:$MAIL_UID" "$DOVECOT_STORE" || return 1
    dovecot_passdb "$4" "$5" >"$1/passdb.lua" && dovecot_configure "$@" >"$1/dovecot.conf" || return 1
    # Not our stdin, stdout: a daemon that kept the pipe of a $( ) or of make open would never let it end.
    dovecot -c "$1/dovecot.conf" </dev/null >>"$DOVECOT_LOG" 2>&1 && wait_for 20 dovecot_ready || {
        echo "dovecot did not start:" >&2
        tail -n 20 "$DOVECOT_LOG" >&2
        return 1
    }
}

# Dovecot 2.3 gives its script no arguments, so the script it loads says them.
dovecot_passdb() {
    printf 'entra_control = "http://127.0.0.1:%s"\ndofile("%s")\n' "$2" "$1"
}

dovecot_configure() (
    home=$1 cert=$2 key=$3
    shift 5
    mail_render "$mail_dir/dovecot.conf.template" \
        "HOME=$home" "STORE=$DOVECOT_STORE" "UID=$MAIL_UID" "CERT=$cert" "KEY=$key" \
        "IMAP_PORT=$DOVECOT_IMAP_PORT" "IMAPS_PORT=$DOVECOT_IMAPS_PORT" \
        "POP3_PORT=$DOVECOT_POP3_PORT" "POP3S_PORT=$DOVECOT_POP3S_PORT" || exit 1
    for line; do
        printf '%s\n' "$line"
    done
)

# The login processes greet before the authentication server has loaded its passdb, so ask that one too.
dovecot_ready() {
    python3 "$mail_dir/port.py" auth-ready "$DOVECOT_AUTH_SOCKET" &&
        port_greets "$DOVECOT_IMAP_PORT" CAPABILITY &&
        port_greets "$DOVECOT_POP3_PORT" +OK
}

# dovecot_stop HOME: stop it and wait until it is gone.  Mail and log stay.
dovecot_stop() {
    if [ -f "$1/run/master.pid" ]; then
        process_stop "$(cat "$1/run/master.pid")" dovecot || return 1
    fi
    mail_ports_release "$1"
}
