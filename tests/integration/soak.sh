#!/bin/sh
# Everything at once, for as long as it takes: a relay whose smtp processes, 20 at a time and chrooted, log in with tokens that
# live 10 s, from a provider that fails one request in five and is restarted twice, while smtp processes are killed.  Run by hand.
#
#   MESSAGES=5000    how many (1000)
. "${0%/*}/lib.sh"

MESSAGES=${MESSAGES:-1000}
SLICES=25

# provider_start: the emulator, on the same ports whenever it is started.
provider_start() {
    python3 "$top_srcdir/tests/load/steady_entra.py" "$control_port" "$entra" --port "$https_port" \
        --settings "$S/emulator.json" >>"$S/entra.out" 2>&1 &
    entra_pid=$!
    fixture wait_for 20 test -f "$entra/ready.json"
    AUTHORITY=$(entra_ready authority)
    CONTROL=$(entra_ready control)
}

provider_restart() {
    entra_stop
    provider_start
    restarts=$((restarts + 1))
}

# sent: how many messages were delivered.
sent() {
    sed -n 's|.* postfix/smtp\[[0-9]*\]: \([0-9A-Za-z]*\): .* status=sent .*|\1|p' "$RELAY_HOME/mail.log" | sort -u | wc -l
}

sent_are() {
    [ "$(sent)" -ge "$1" ]
}

# arrived COUNT: the mail server has so many, or more: one that was killed after it had sent a message sends it again.
arrived() {
    [ "$(find "$exchange/mail" -name '*.eml' | wc -l)" -ge "$1" ]
}

# requests OUTCOME...: token requests that ended so.
requests() {
    for outcome; do
        grep '"endpoint": *"token"' "$entra/requests.log" | grep -c "\"outcome\": *\"$outcome\""
    done | awk '{ sum += $1 } END { print sum }'
}

kill_one() {
    victim=$(postfix_pids "$RELAY_HOME" smtp | shuf -n 1)
    if [ -n "$victim" ] && kill -KILL "$victim" 2>/dev/null; then
        killed=$((killed + 1))
    fi
}

# busiest: remembers the highest number of smtp processes seen.
busiest() {
    processes=$(postfix_pids "$RELAY_HOME" smtp | wc -l)
    [ "$processes" -le "$most" ] || most=$processes
}

integration_begin
entra=$S/entra
CA=$entra/ca.pem
control_port=$(mail_port "$S/provider")
https_port=$(mail_port "$S/provider")
restarts=0 killed=0 most=0
echo '{"settings": {"access_token_lifetime": 10, "fail": {"status": 503, "probability": 0.2}}}' >"$S/emulator.json"
provider_start
python3 "$top_srcdir/tests/entra/entra.py" --issue "$entra" localhost
secret_file app_only_client_secret >"$S/secret"
chmod 600 "$S/secret"
section_app_only '*@contoso.com' | sasl_conf
exchange_start
RELAY_TO=$EXCHANGE_SMTP_PORT
# Postfix tries again after seconds, not minutes, whatever went wrong; and does not leave a whole site alone for one refusal.
relay_start --set default_destination_concurrency_limit=20 --set initial_destination_concurrency=20 \
    --set default_destination_concurrency_failed_cohort_limit=0 --set smtp_connection_cache_on_demand=no \
    --set minimal_backoff_time=2s --set maximal_backoff_time=4s --set queue_run_delay=2s --set transport_retry_time=1s \
    --set service_throttle_time=1s --set enable_long_queue_ids=yes --set in_flow_delay=0

began=$(date +%s)
slice=0
while [ $slice -lt $SLICES ]; do
    slice=$((slice + 1))
    smtp-source -s 4 -m $((MESSAGES / SLICES)) -l 2000 -f relay@contoso.com -t alice@contoso.com "127.0.0.1:$RELAY_SMTPD_PORT"
    busiest
    kill_one
    case $slice in
    8 | 16) provider_restart ;;
    esac
    # Messages come while the provider lives through several tokens.
    sleep 1
    busiest
done
check "every message is delivered" wait_for 240 sent_are "$MESSAGES"
seconds=$(($(date +%s) - began))
check "and has arrived" wait_for 20 arrived "$MESSAGES"
check "nothing is left" wait_for 20 postfix_queue_empty "$RELAY_HOME"
check "no message bounced" fails 1 grep -E 'status=(bounced|expired)' "$RELAY_HOME/mail.log"
asked=$(requests ok refused failed dropped)
check "the provider was asked about once in the life of a token" at_most $((seconds / 2 + 10)) "$asked"
check "the provider refused nothing" equals 0 "$(requests refused)"
check "smtp processes did not end of themselves" fails 1 grep -E 'postfix/master.*(exit status|killed by signal ([0-8]|1[0-9])$)' \
    "$RELAY_HOME/mail.log"
echo "# $(sent) messages in $seconds s, $(grep -c status=deferred "$RELAY_HOME/mail.log") deferrals, up to $most smtp processes," \
    "$killed killed, provider restarted $restarts times: $asked token requests, $(requests failed) of them failed"
echo "# why messages were deferred:"
sed -n 's/.* status=deferred (\(.*\))$/\1/p' "$RELAY_HOME/mail.log" | sed 's/ \[[^]]*\]$//' | cut -c1-160 | sort | uniq -c |
    sort -rn | head -n 12 | sed 's/^/#/'
echo "# what the plugin said:"
grep -h -o 'SASL authentication .* cause=.*' "$RELAY_HOME/mail.log" | sed 's/[0-9]\{4,\}/N/g' | sort | uniq -c | sort -rn |
    head -n 8 | cut -c1-260 | sed 's/^/#/'
mail_ports_release "$S/provider"
integration_end
