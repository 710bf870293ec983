# clients.sh - programs that log in through libsasl2's client plugins.  To be sourced, see README.md.
#
# SASL_PATH, SASL_CONF_PATH and the like are simply inherited.  Each function prints what the program says, its
# standard error included, and succeeds if the login (for mbsync: everything) did.

# run_mbsync HOME HOST PORT USER MECHANISM CAFILE [--implicit] [--password PASSWORD]
# Pulls USER's INBOX into HOME/mail/INBOX.  Repeatable with the same HOME.
run_mbsync() (
    home=$1 host=$2 port=$3 user=$4 mechanism=$5 cafile=$6
    shift 6
    ssltype=STARTTLS pass=
    while [ $# -gt 0 ]; do
        case $1 in
        --implicit) ssltype=IMAPS; shift ;;
        --password) pass="Pass $2"; shift 2 ;;
        *) echo "run_mbsync: unknown option '$1'" >&2; exit 64 ;;
        esac
    done
    mkdir -p "$home/mail" || exit 1
    mail_render "$mail_dir/mbsyncrc.template" "HOME=$home" "HOST=$host" "PORT=$port" "USER=$user" \
        "MECHANISM=$mechanism" "CAFILE=$cafile" "SSLTYPE=$ssltype" "PASS=$pass" >"$home/mbsyncrc" || exit 1
    HOME=$home timeout 60 mbsync -V -c "$home/mbsyncrc" -a </dev/null 2>&1
)

# run_imtest, run_pop3test, run_smtptest HOST PORT USER MECHANISM [OPTION...]
# They cannot verify a server's certificate: they say so (`verify error`) and go on.
#   --implicit            TLS from the first byte (else STARTTLS)
#   --password PASSWORD
#   --authzid NAME        log in to NAME's mailbox with USER's credentials
#   --say LINE            a command after the login, before logout; repeatable
run_imtest() { run_cyrus imtest 'a1 LOGOUT' "$@"; }
run_pop3test() { run_cyrus pop3test QUIT "$@"; }
run_smtptest() { run_cyrus smtptest QUIT "$@"; }

# run_cyrus PROGRAM GOODBYE HOST PORT USER MECHANISM [OPTION...]
run_cyrus() (
    program=$1 goodbye=$2 host=$3 port=$4 user=$5 mechanism=$6
    shift 6
    tls=starttls password='' authzid='' lines=
    while [ $# -gt 0 ]; do
        case $1 in
        --implicit) tls=implicit; shift; continue ;;
        --password) password=$2 ;;
        --authzid) authzid=$2 ;;
        --say) lines="$lines$2
" ;;
        *) echo "run_$program: unknown option '$1'" >&2; exit 64 ;;
        esac
        shift 2
    done
    set -- -p "$port" -m "$mechanism" -a "$user" -u "${authzid:-$user}" ${password:+-w "$password"}
    case $tls in
    implicit) set -- -s "$@" ;;
    starttls) set -- -t '' "$@" ;;         # '': no client certificate
    esac
    output=$(printf '%s%s\n' "$lines" "$goodbye" |
        timeout 60 "$(cyrus_program "$program")" "$@" "$host" 2>&1) || :
    printf '%s\n' "$output"
    # Their exit status tells nothing of the login.
    printf '%s\n' "$output" | grep -q '^Authenticated\.'
)

# cyrus_program NAME: print where it is; not every distribution has it in PATH.
cyrus_program() (
    PATH=$PATH:/usr/lib/cyrus/bin:/usr/cyrus/bin:/usr/lib/cyrus-imapd
    command -v "$1"
)
