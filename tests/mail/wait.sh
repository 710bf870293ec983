# wait.sh - scratch directories, ports, processes, and waiting for conditions.  To be sourced, see README.md.

# wait_for SECONDS COMMAND [ARGUMENT...]: repeat COMMAND until it succeeds.  Fails, and says for what, at the deadline.
wait_for() (
    deadline=$(($(date +%s) + $1))
    shift
    until "$@"; do
        if [ "$(date +%s)" -ge "$deadline" ]; then
            echo "gave up waiting for: $*" >&2
            exit 1
        fi
        sleep 0.05
    done
)

# mail_scratch: make a directory that servers running as other users can pass through, and print its name.
# It lies in /tmp whatever TMPDIR says: sockets below it must fit into the 108 bytes of a sockaddr_un.
mail_scratch() (
    dir=$(mktemp -d /tmp/mail.XXXXXX) && chmod 755 "$dir" && echo "$dir"
)

# mail_home HOME: create HOME for one server; refuse what would fail later in some obscure way.
mail_home() {
    if [ "$(id -u)" -ne 0 ]; then
        echo "mail servers need root" >&2
        return 77
    fi
    case $1 in
    /*) ;;
    *) echo "'$1' is not an absolute path" >&2; return 1 ;;
    esac
    if [ ${#1} -gt 64 ]; then
        echo "'$1' is too long for sockets below it" >&2
        return 1
    fi
    mkdir -p "$1" && chmod 755 "$1" && mail_passable "$1"
}

# mail_passable PATH: may every user walk to PATH?
mail_passable() (
    path=$1
    while [ "$path" != / ]; do
        if [ -z "$(find "$path" -maxdepth 0 -perm -001)" ]; then
            echo "'$path' is closed to other users, among them postfix and dovecot" >&2
            exit 1
        fi
        path=$(dirname "$path")
    done
)

# mail_render TEMPLATE NAME=VALUE...: print TEMPLATE with each @NAME@ replaced; an unknown @NAME@ is an error.
mail_render() (
    template=$1
    shift
    script=
    for pair; do
        value=$(printf '%s' "${pair#*=}" | sed 's/[\\&|]/\\&/g')
        script="$script
s|@${pair%%=*}@|$value|g"
    done
    text=$(sed "$script" "$template") || exit 1
    if printf '%s\n' "$text" | grep '@[A-Z_]*@' >&2; then
        echo "'$template' has names without a value" >&2
        exit 1
    fi
    printf '%s\n' "$text"
)

# Free ports are claimed by a symbolic link, which only one of several parallel tests can make.  They lie below the
# range the kernel picks from for outgoing connections, so none of these takes the port before its server does.
mail_ports_dir=/tmp/mail-ports

# mail_port HOME: claim a free port until mail_ports_release HOME, and print it.
mail_port() (
    mkdir -p "$mail_ports_dir" || exit 1
    find "$mail_ports_dir" -type l -mmin +1440 -delete     # left by tests that were killed
    tries=0
    while [ $((tries += 1)) -lt 200 ]; do
        port=$(python3 "$mail_dir/port.py" candidate) || exit 1
        mkdir -p "$mail_ports_dir"
        ln -sn "$1" "$mail_ports_dir/$port" 2>/dev/null || continue
        echo "$port"
        exit 0
    done
    echo "no free port found" >&2
    exit 1
)

# mail_ports_release HOME: give the ports of HOME back.
mail_ports_release() (
    [ -d "$mail_ports_dir" ] || exit 0
    find "$mail_ports_dir" -type l -lname "$1" -delete
    rmdir "$mail_ports_dir" 2>/dev/null || :        # others may have ports still
)

# port_greets PORT TEXT: does the server there greet with a line that contains TEXT?
port_greets() {
    python3 "$mail_dir/port.py" greets "$1" "$2"
}

# process_alive PID: a zombie is dead, though kill -0 still finds it when nobody reaps (containers).
process_alive() {
    case $(ps -o stat= -p "$1") in
    '' | Z*) return 1 ;;
    esac
}

processes_gone() {
    for process_pid; do
        if process_alive "$process_pid"; then
            return 1
        fi
    done
}

# process_stop PID NAME: end the daemon PID, whose program must be NAME, and wait until it and its children are gone.
process_stop() (
    [ "$(ps -o comm= -p "$1")" = "$2" ] || exit 0
    family="$1 $(pgrep -P "$1" | tr '\n' ' ')"
    kill -TERM "$1"
    # shellcheck disable=SC2086 # a list
    wait_for 10 processes_gone $family && exit 0
    for pid in $family; do
        if process_alive "$pid"; then
            echo "killing $(ps -o pid=,args= -p "$pid")" >&2
            kill -KILL "$pid"
        fi
    done
    # shellcheck disable=SC2086
    wait_for 5 processes_gone $family
)

# mail_started KIND HOME: remember for mail_stop_all.
mail_started() {
    mail_running="$1 $2
$mail_running"
}
mail_running=

# mail_stop_all: stop what this shell started, the last one first.
mail_stop_all() {
    while read -r mail_kind mail_home_dir; do
        case $mail_kind in
        dovecot) dovecot_stop "$mail_home_dir" ;;
        postfix) postfix_stop "$mail_home_dir" ;;
        scratch) rm -rf "$mail_home_dir" ;;
        esac </dev/null || echo "could not stop $mail_kind in '$mail_home_dir'" >&2
    done <<END
$mail_running
END
    mail_running=
}

# mail_begin: set MAIL_SCRATCH to a new scratch directory; when this shell ends, everything is stopped and removed.
# MAIL_KEEP=1 in the environment leaves the files for inspection.
mail_begin() {
    MAIL_SCRATCH=$(mail_scratch) || return 1
    if [ -z "${MAIL_KEEP:-}" ]; then
        mail_started scratch "$MAIL_SCRATCH"
    else
        echo "keeping $MAIL_SCRATCH" >&2
    fi
    trap mail_stop_all EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
}
