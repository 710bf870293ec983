# Completion of sasl-bearer(1) for fish.

function __sasl_bearer_users
    sasl-bearer status 2>/dev/null | awk 'NR > 1 && $1 !~ /[*?]/ { print $1 }'
end

set -l commands login logout token status renew check setup connect
complete -c sasl-bearer -f
complete -c sasl-bearer -n "not __fish_seen_subcommand_from $commands" -a login -d 'sign in as a user and keep the sign-in'
complete -c sasl-bearer -n "not __fish_seen_subcommand_from $commands" -a logout -d 'forget a sign-in'
complete -c sasl-bearer -n "not __fish_seen_subcommand_from $commands" -a token -d 'print an access token'
complete -c sasl-bearer -n "not __fish_seen_subcommand_from $commands" -a status -d 'tell how accounts stand'
complete -c sasl-bearer -n "not __fish_seen_subcommand_from $commands" -a renew -d 'fetch a new access token now'
complete -c sasl-bearer -n "not __fish_seen_subcommand_from $commands" -a check -d 'look at everything and say what is wrong'
complete -c sasl-bearer -n "not __fish_seen_subcommand_from $commands" -a setup -d 'write sasl.conf, say what else to do'
complete -c sasl-bearer -n "not __fish_seen_subcommand_from $commands" -a connect -d 'log in, then be a pipe to the server'
complete -c sasl-bearer -n "__fish_seen_subcommand_from $commands" -a '(__sasl_bearer_users)'
complete -c sasl-bearer -n '__fish_seen_subcommand_from connect' -a 'imaps:// imap:// pop3s:// pop3:// smtp:// smtps://'
complete -c sasl-bearer -l system -d "the system's sasl.conf and tokens"
complete -c sasl-bearer -l user -d 'your own sasl.conf'
complete -c sasl-bearer -l conf -r -F -d 'this sasl.conf and no other'
complete -c sasl-bearer -l quiet -d 'only what is wrong'
complete -c sasl-bearer -l verbose -d 'each request, too'
complete -c sasl-bearer -l help -d 'tell about the command'
complete -c sasl-bearer -l version -d 'tell the version'
complete -c sasl-bearer -n '__fish_seen_subcommand_from login' -l device -d 'by a code'
complete -c sasl-bearer -n '__fish_seen_subcommand_from login' -l with-refresh-token -d 'from standard input'
complete -c sasl-bearer -n '__fish_seen_subcommand_from login' -l any-user -d 'whoever signs in'
complete -c sasl-bearer -n '__fish_seen_subcommand_from token' -l renew -d 'a new one'
complete -c sasl-bearer -n '__fish_seen_subcommand_from token' -l format -x -a 'raw json xoauth2 oauthbearer'
complete -c sasl-bearer -n '__fish_seen_subcommand_from status check' -l json -d 'for programs'
complete -c sasl-bearer -n '__fish_seen_subcommand_from renew' -l all -d 'every account'
complete -c sasl-bearer -n '__fish_seen_subcommand_from renew' -l watch -d 'until stopped'
complete -c sasl-bearer -n '__fish_seen_subcommand_from check' -l server -x -a 'imap:// imaps:// pop3:// pop3s:// smtp://'
complete -c sasl-bearer -n '__fish_seen_subcommand_from check' -l send-to -x -d 'send one message there'
complete -c sasl-bearer -n '__fish_seen_subcommand_from check' -l report -d 'to be shown to others'
complete -c sasl-bearer -n '__fish_seen_subcommand_from setup' -l delegated -d 'people sign in'
complete -c sasl-bearer -n '__fish_seen_subcommand_from setup' -l app-only -d 'an application on its own'
complete -c sasl-bearer -n '__fish_seen_subcommand_from setup' -l tenant -x
complete -c sasl-bearer -n '__fish_seen_subcommand_from setup' -l client-id -x
complete -c sasl-bearer -n '__fish_seen_subcommand_from setup' -l cloud -x -a 'public usgov usgov_dod china'
complete -c sasl-bearer -n '__fish_seen_subcommand_from setup' -l secret-file -r -F
complete -c sasl-bearer -n '__fish_seen_subcommand_from setup' -l secret-expires -x
complete -c sasl-bearer -n '__fish_seen_subcommand_from setup' -l certificate -r -F
complete -c sasl-bearer -n '__fish_seen_subcommand_from setup' -l make-certificate -r -F
complete -c sasl-bearer -n '__fish_seen_subcommand_from setup' -l mailbox -x
complete -c sasl-bearer -n '__fish_seen_subcommand_from setup' -l object-id -x
complete -c sasl-bearer -n '__fish_seen_subcommand_from setup' -l yes -d 'do not ask'
complete -c sasl-bearer -n '__fish_seen_subcommand_from setup' -l print-powershell
complete -c sasl-bearer -n '__fish_seen_subcommand_from setup' -l print-consent-url
