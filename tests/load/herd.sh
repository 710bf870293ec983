# herd.sh - logins by the thousand, and figures about them.  To be sourced after lib.sh.
#
#     herd NAME [OPTION...] MECHANISM USER      runs tests/load/herd; its figures are NAME's from then on
#     check "all succeed" equals 500 "$(figure NAME ok)"

herd_program=${top_builddir:?where tests/load/herd was built}/tests/load/herd

# How many processes make a crowd; with a sanitizer each is big and slow.
CROWD=500
[ -z "${SANITIZER:-}" ] || CROWD=60

# herd NAME OPTION... MECHANISM USER: runs it to its end.
herd() {
    herd_start "$@"
    herd_end "$1"
}

# herd_start NAME OPTION... MECHANISM USER: starts it; returns when all its logins begin (or wait for their --wait-for).
herd_start() {
    herd_name=$1
    shift
    : >"$S/$herd_name.figures"
    with_plugin "$herd_program" "$@" >"$S/$herd_name.figures" 2>"$S/$herd_name.errors" &
    echo $! >"$S/$herd_name.shell"
    fixture wait_for 60 grep -q '^ready' "$S/$herd_name.figures"
}

# herd_end NAME: waits for its end, and shows its figures.
herd_end() {
    wait "$(cat "$S/$1.shell")"
    if [ -s "$S/$1.errors" ]; then
        tail -n 5 "$S/$1.errors"
    fi
    echo "# $1: $(grep -v '^pid\|^ready' "$S/$1.figures" | cut -c1-300 | paste -sd' ' -)"
}

# herd_pid NAME: the process that was started first; where there is one process only, the one that logs in.
herd_pid() {
    sed -n 's/^pid //p' "$S/$1.figures"
}

# figure NAME WORD: one of its figures, milliseconds rounded up.
figure() {
    sed -n "s/^$2 //p" "$S/$1.figures" | awk '{ whole = int($1); print whole < $1 ? whole + 1 : whole }'
}

# errors NAME: the texts of the logins that failed.
errors() {
    sed -n 's/^error [0-9]* //p' "$S/$1.figures"
}

# all_ok NAME COUNT: so many logins, and none failed.
all_ok() {
    equals "$2 0 0" "$(figure "$1" ok) $(figure "$1" failed) $(figure "$1" lost)" || { errors "$1"; return 1; }
}

# all_failed NAME COUNT TEXT: so many logins, and each failed with an error that holds the text.
all_failed() {
    equals "0 $2" "$(figure "$1" ok) $(figure "$1" failed)" || { errors "$1"; return 1; }
    ! errors "$1" | grep -vF -e "$3"
}

# within LEAST MOST NUMBER
within() {
    [ "$3" -ge "$1" ] && [ "$3" -le "$2" ] || { printf 'expected: %s to %s\nfound: %s\n' "$1" "$2" "$3"; return 1; }
}

# requests: token requests since the counters were last reset.
requests() {
    echo $(($(counter token.client_credentials) + $(counter token.refresh_token)))
}

counters_reset() {
    control counters/reset '{}' >/dev/null
}

waiting_is() {
    [ "$(counter waiting)" -eq "$1" ]
}

requests_are() {
    [ "$(requests)" -ge "$1" ]
}
