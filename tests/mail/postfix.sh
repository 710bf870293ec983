# postfix.sh - a Postfix that receives and a Postfix that relays.  To be sourced, see README.md.
#
# Each has its own configuration, queue and data below its HOME, and is named by it.  Nothing is registered in the
# default instance's main.cf: alternate_config_directories matters to the set-gid commands only when they are run by
# others than root.

# The mailboxes of the receiving side.
: "${MAIL_USERS:=relay@contoso.com alice@contoso.com bob@fabrikam.com info@fabrikam.com}"

# ------------------------------------------------------------------ receiving

# postfix_server_start HOME CERT KEY AUTH_SOCKET STORE [NAME=VALUE...]
# Requires TLS and AUTH, delivers to MAIL_USERS in STORE.  NAME=VALUE goes into main.cf.
# Sets SMTPD_HOME, SMTPD_PORT (STARTTLS), SMTPS_PORT (implicit TLS).
postfix_server_start() {
    mail_home "$1" || return
    mail_started postfix "$1"
    SMTPD_HOME=$1
    SMTPD_PORT=$(mail_port "$1") && SMTPS_PORT=$(mail_port "$1") || return 1
    postfix_directories "$1" || return 1
    postfix_server_configure "$@" && postfix_up "$1"
}

postfix_server_configure() (
    home=$1 cert=$2 key=$3 socket=$4 store=$5
    shift 5
    # shellcheck disable=SC2086 # a list
    printf '%s\n' $MAIL_USERS | sed 's|\(.*\)@\(.*\)|& \2/\1/Maildir/|' >"$home/mailboxes"
    # shellcheck disable=SC2086
    domains=$(printf '%s\n' $MAIL_USERS | sed 's/.*@//' | sort -u | tr '\n' ' ')
    mail_render "$mail_dir/postfix-server.cf.template" \
        "HOME=$home" "CERT=$cert" "KEY=$key" "AUTH_SOCKET=$socket" "STORE=$store" \
        "DOMAINS=${domains% }" "UID=$MAIL_UID" >"$home/etc/main.cf" || exit 1
    # smtpd(8) is not in a jail here: Dovecot's socket is outside.
    postfix_master_cf "$home" "$SMTPD_PORT" &&
        postconf -c "$home/etc" -F '*/*/chroot=n' &&
        postconf -c "$home/etc" -M \
            "127.0.0.1:$SMTPS_PORT/inet=127.0.0.1:$SMTPS_PORT inet n - n - - smtpd -o smtpd_tls_wrappermode=yes" &&
        postfix_set "$home" "$@"
)

# ------------------------------------------------------------------ relaying

# postfix_client_start HOME RELAY_PORT CAFILE [OPTION...]
#   --relay NAME            the host behind RELAY_PORT (localhost)
#   --login USER:PASSWORD   what sasl_passwd says for it (relay@contoso.com:)
#   --mechanisms LIST       smtp_sasl_mechanism_filter (xoauth2)
#   --unchrooted            smtp(8) outside the jail
#   --env NAME=VALUE        into the daemons' environment, as an administrator does it: import_environment
#   --smtp-env NAME=VALUE   into smtp(8)'s only: LD_PRELOAD, ASAN_OPTIONS (the start script's tools would choke on them)
#   --set NAME=VALUE        into main.cf
# Sets RELAY_HOME, RELAY_SMTPD_PORT (takes mail from loopback without AUTH), RELAY_JAIL (empty if unchrooted).
postfix_client_start() {
    mail_home "$1" || return
    mail_started postfix "$1"
    RELAY_HOME=$1
    RELAY_SMTPD_PORT=$(mail_port "$1") || return 1
    postfix_directories "$1" && postfix_client_configure "$@" || return 1
    RELAY_JAIL=
    case $(postconf -c "$1/etc" -Fh smtp/unix/chroot) in
    y) RELAY_JAIL=$1/queue ;;
    esac
    postfix_up "$1"
}

postfix_client_configure() (
    home=$1 port=$2 cafile=$3
    shift 3
    relay=localhost login=relay@contoso.com: mechanisms=xoauth2 chroot=y
    environment=$(postconf -dh import_environment)
    : >"$home/set"
    : >"$home/smtp-env"
    while [ $# -gt 0 ]; do
        case $1 in
        --unchrooted) chroot=n; shift; continue ;;
        --relay) relay=$2 ;;
        --login) login=$2 ;;
        --mechanisms) mechanisms=$2 ;;
        --env) environment="$environment { $2 }" ;;     # braces: the value may hold blanks
        --smtp-env) printf '%s\n' "$2" >>"$home/smtp-env" ;;
        --set) printf '%s\n' "$2" >>"$home/set" ;;
        *) echo "postfix_client_start: unknown option '$1'" >&2; exit 1 ;;
        esac
        shift 2
    done
    mail_render "$mail_dir/postfix-client.cf.template" \
        "HOME=$home" "ENVIRONMENT=$environment" "RELAYHOST=[$relay]:$port" \
        "MECHANISMS=$mechanisms" "CAFILE=$cafile" >"$home/etc/main.cf" || exit 1
    (umask 077 && printf '[%s]:%s %s\n' "$relay" "$port" "$login" >"$home/sasl_passwd") &&
        postfix_master_cf "$home" "$RELAY_SMTPD_PORT" &&
        postconf -c "$home/etc" -F "smtp/unix/chroot=$chroot" "relay/unix/chroot=$chroot" || exit 1
    while IFS= read -r setting; do
        postfix_set "$home" "$setting" || exit 1
    done <"$home/set"
    postfix_wrap_smtp "$home" && postfix_fill_jail "$home"
)

# master(8) runs what daemon_directory holds: have one where a script stands between it and smtp(8).
# Copies, because `postfix start` warns of each symbolic link that leaves the directory.
postfix_wrap_smtp() (
    [ -s "$1/smtp-env" ] || exit 0
    daemons=$(postconf -c "$1/etc" -hx daemon_directory)
    mkdir -p "$1/daemons" && cp -p "$daemons"/* "$1/daemons/" || exit 1
    {
        echo '#!/bin/sh'
        sed "s/'/'\\\\''/g; s/\([^=]*\)=\(.*\)/export \1='\2'/" "$1/smtp-env"
        echo "exec $daemons/smtp \"\$@\""
    } >"$1/daemons/smtp"
    chmod 755 "$1/daemons/smtp" && postfix_set "$1" "daemon_directory=$1/daemons"
)

# Furnish the jail exactly as the distribution does, because whether we work in *that* jail is the question.
postfix_fill_jail() (
    script=/usr/lib/postfix/configure-instance.sh
    if [ -x "$script" ]; then
        MAIL_CONFIG="$1/etc" "$script"
    else
        mkdir -p "$1/queue/etc" && cd /etc &&
            cp -L hosts resolv.conf services nsswitch.conf "$1/queue/etc/"
    fi
)

# ------------------------------------------------------------------ both

# Only the top directories; `postfix start` makes the rest with the right owners.
postfix_directories() {
    mkdir -p "$1/etc" "$1/queue" "$1/data" && chown "$(postconf -dh mail_owner)" "$1/data"
}

# postfix_master_cf HOME PORT: the master.cf of the package as shipped, but for the port of smtpd(8).
postfix_master_cf() (
    for base in /usr/share/postfix/master.cf.dist /etc/postfix/master.cf.proto /etc/postfix/master.cf; do
        if [ -f "$base" ]; then
            sed "s/^smtp  *inet/127.0.0.1:$2 inet/" "$base" >"$1/etc/master.cf"
            exit
        fi
    done
    echo "no master.cf to start from" >&2
    exit 1
)

# postfix_set HOME NAME=VALUE...: change main.cf; after the start, postfix_reload makes it so.
postfix_set() (
    config=$1/etc
    shift
    [ $# -eq 0 ] || postconf -c "$config" -e "$@"
)

postfix_up() (
    port=$(sed -n 's/^127.0.0.1:\([0-9]*\) inet.*/\1/p' "$1/etc/master.cf" | head -n 1)
    # Not our stdin, stdout: a daemon that kept the pipe of a $( ) or of make open would never let it end.
    postfix -c "$1/etc" start </dev/null >>"$1/start.log" 2>&1 && wait_for 20 port_greets "$port" 220 || {
        echo "postfix did not start:" >&2
        tail -n 20 "$1/start.log" "$1/mail.log" >&2
        exit 1
    }
)

# postfix_master HOME: print the pid of its master(8), if it runs.
postfix_master() {
    [ -f "$1/queue/pid/master.pid" ] && tr -d ' \n' <"$1/queue/pid/master.pid"
}

# postfix_stop HOME: stop it and wait until it is gone.  Queue and log stay.
postfix_stop() {
    postfix_down "$1" && mail_ports_release "$1"
}

# postfix_restart HOME: stop and start it, on the same ports, with main.cf and master.cf as they are now.
postfix_restart() {
    postfix_down "$1" && postfix_up "$1"
}

postfix_down() {
    if [ -f "$1/queue/pid/master.pid" ]; then
        process_stop "$(postfix_master "$1")" master
    fi
}

# postfix_reload HOME: as an administrator does; returns when the old smtp(8) processes are gone.
postfix_reload() (
    old=$(postfix_pids "$1")
    postfix -c "$1/etc" reload </dev/null >>"$1/start.log" 2>&1 || exit 1
    # shellcheck disable=SC2086 # a list
    wait_for 30 processes_gone $old
)

# postfix_pids HOME [PROGRAM]: print the pids of its smtp(8) or PROGRAM processes.
postfix_pids() {
    pgrep -P "$(postfix_master "$1")" -x "${2:-smtp}" || :
}

# postfix_send HOME FROM TO [SUBJECT]: queue a mail with sendmail(1), print its queue id.
postfix_send() (
    id=$(mktemp -u XXXXXXXXXXXXXXXX)@send.fixture.test
    mail_message "$2" "$3" "${4:-test}" "$id" | sendmail -C "$1/etc" -f "$2" "$3" || exit 1
    wait_for 20 grep -qF "message-id=<$id>" "$1/mail.log" || exit 1
    sed -n "s/.* postfix\/cleanup\[[0-9]*\]: \([0-9A-Za-z]*\): message-id=<$id>.*/\1/p" "$1/mail.log"
)

# postfix_log HOME [QUEUE-ID]: print the log, or one mail's part of it.
postfix_log() {
    if [ -n "${2:-}" ]; then
        grep -F " $2: " "$1/mail.log"
    else
        cat "$1/mail.log"
    fi
}

# postfix_complaints HOME: print the log's warnings and worse.  Not what a virtual machine's clock makes Postfix say.
postfix_complaints() {
    grep -E ' (warning|error|fatal|panic): ' "$1/mail.log" |
        grep -vE 'file system clock is|resetting file time stamps'
}

# postfix_attempts HOME QUEUE-ID: how often its delivery was tried.
postfix_attempts() {
    postfix_log "$1" "$2" | grep -c ' status=' || :
}

postfix_attempted() {
    [ "$(postfix_attempts "$1" "$2")" -ge "$3" ]
}

# postfix_outcome HOME QUEUE-ID [ATTEMPT [SECONDS]]: wait for that attempt (1), print sent, deferred, bounced or expired.
postfix_outcome() (
    wait_for "${4:-30}" postfix_attempted "$1" "$2" "${3:-1}" || exit 1
    postfix_log "$1" "$2" | sed -n 's/.* status=\([a-z]*\).*/\1/p' | sed -n "${3:-1}p"
)

# postfix_reason HOME QUEUE-ID [ATTEMPT]: print the text in parentheses that goes with the outcome.
postfix_reason() {
    postfix_log "$1" "$2" | sed -n 's/.* status=[a-z]* (\(.*\))$/\1/p' | sed -n "${3:-1}p"
}

# postfix_retry HOME QUEUE-ID [SECONDS]: try a deferred mail again now, print the new outcome.
postfix_retry() (
    attempt=$(($(postfix_attempts "$1" "$2") + 1))
    # The line is in the log before qmgr(8) has put the mail aside; asked in between it would not hear us.
    wait_for 20 postfix_is_deferred "$1" "$2" || exit 1
    postqueue -c "$1/etc" -i "$2" && postfix_outcome "$1" "$2" "$attempt" "${3:-30}"
)

postfix_is_deferred() {
    [ -n "$(find "$1/queue/deferred" -name "$2" -type f)" ]
}

# postfix_queue HOME: what `postqueue -p` shows, delivery status texts included.
postfix_queue() {
    postqueue -c "$1/etc" -p
}

# postfix_queue_empty HOME: for wait_for.
postfix_queue_empty() {
    postfix_queue "$1" | grep -q 'Mail queue is empty'
}

# postfix_flush HOME: try everything again now.
postfix_flush() {
    postqueue -c "$1/etc" -f
}
