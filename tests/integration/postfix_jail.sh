#!/bin/sh
# A stock Postfix relays mail with a token that our plugin fetched over HTTPS, its smtp client chrooted as Debian ships it.
. "${0%/*}/lib.sh"

# Whether a live smtp process holds what it may: regular files only, numbers from 10 up.
looks_right() {
    for descriptor in /proc/"$1"/fd/*; do
        number=${descriptor##*/}
        target=$(readlink "$descriptor")
        case $target in
        "$STORE"/* | "$S"/secret | "$CA")
            [ "$number" -ge 10 ] || { echo "$target is open as $number"; return 1; }
            ;;
        esac
        if [ -d "$descriptor" ]; then
            echo "a directory is open: $target"
            return 1
        fi
    done
    readlink /proc/"$1"/fd/* | grep -q "$STORE/app_only" || { echo "the token file is not open"; return 1; }
}

is_jailed() {
    equals "$RELAY_JAIL" "$(readlink /proc/"$1"/root)"
}

integration_begin
entra_start
section_app_only '*@contoso.com' | sasl_conf
servers_start
relay_start

relay_send relay@contoso.com alice@contoso.com
check "a chrooted smtp(8) sends mail with a token it fetched itself" equals sent "$OUTCOME"
check "the mail has arrived" wait_for 10 mailbox_has "$DOVECOT_STORE" alice@contoso.com 1
check "one token was requested" equals 1 "$(counter token.client_credentials)"
pid=$(postfix_pids "$RELAY_HOME" smtp | head -n 1)
check "smtp(8) is in the jail" is_jailed "$pid"
check "it runs as user postfix" equals postfix "$(stat -c %U "/proc/$pid/fdinfo" 2>/dev/null || ps -o user= -p "$pid")"
check "it holds regular files only, from descriptor 10 up" looks_right "$pid"
check "nothing of ours was copied into the jail" test -z "$(find "$RELAY_JAIL" -name '*.token' -o -name 'sasl.conf' -o \
    -name 'libsaslbearer*' -o -name 'delegated.so' -o -name 'app_only.so')"

relay_send relay@contoso.com alice@contoso.com
check "the next mail uses the token in store" equals "sent 1" "$OUTCOME $(counter token.client_credentials)"

control expire_tokens '{}' >/dev/null
sasl_bearer renew relay@contoso.com
relay_send relay@contoso.com alice@contoso.com
check "a token renewed outside is used inside" equals "sent 2" "$OUTCOME $(counter token.client_credentials)"

check "Postfix' log has no complaint" fails 1 postfix_complaints "$RELAY_HOME"
integration_end
