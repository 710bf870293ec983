# Completion of sasl-bearer(1) for bash.

# Options of a command, as tool/*.c have them.
_sasl_bearer_options() {
    local general='--system --user --conf --quiet --verbose --help'
    case $1 in
    login) echo "$general --device --with-refresh-token --any-user" ;;
    logout | connect) echo "$general" ;;
    token) echo "$general --renew --format" ;;
    status) echo "$general --json" ;;
    renew) echo "$general --all --watch" ;;
    check) echo "$general --server --send-to --json --report" ;;
    setup)
        echo "$general --delegated --app-only --tenant --client-id --cloud --secret-file --secret-expires --certificate" \
            "--make-certificate --mailbox --object-id --yes --print-powershell --print-consent-url"
        ;;
    *) echo '--help --version' ;;
    esac
}

# Names that have an account of their own; patterns are no names.
_sasl_bearer_users() {
    sasl-bearer status 2>/dev/null | awk 'NR > 1 && $1 !~ /[*?]/ { print $1 }'
}

_sasl_bearer() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command='' word
    local commands='login logout token status renew check setup connect'

    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case " $commands " in *" $word "*) command=$word ;; esac
    done
    COMPREPLY=()
    case $previous in
    --conf | --secret-file | --certificate | --make-certificate) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    --format) mapfile -t COMPREPLY < <(compgen -W 'raw json xoauth2 oauthbearer' -- "$current") ;;
    --cloud) mapfile -t COMPREPLY < <(compgen -W 'public usgov usgov_dod china' -- "$current") ;;
    --server) mapfile -t COMPREPLY < <(compgen -W 'imap:// imaps:// pop3:// pop3s:// smtp://' -- "$current") ;;
    --send-to | --tenant | --client-id | --secret-expires | --mailbox | --object-id) ;;
    *)
        case $current in
        -*) mapfile -t COMPREPLY < <(compgen -W "$(_sasl_bearer_options "$command")" -- "$current") ;;
        *)
            case $command:$previous in
            :*) ;;
            connect:connect) commands='imap:// imaps:// pop3:// pop3s:// smtp:// smtps://' ;;
            *) commands=$(_sasl_bearer_users) ;;
            esac
            mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$current")
            ;;
        esac
        ;;
    esac
}

complete -F _sasl_bearer sasl-bearer
