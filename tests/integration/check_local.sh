#!/bin/sh
# The doctor, as far as this machine goes: a healthy set-up has no problem, and each that can be made is found, with its remedy.
# Postfix is configured, not started.
. "${0%/*}/lib.sh"

# doctor [OPTION...] [USER]
doctor() {
    has_a_past
    examine sasl_bearer check --json "$@"
}

# Postfix' commands pause before they read a file that was written just now.
has_a_past() {
    for file in "$S/relay/etc/main.cf" "$S/relay/etc/master.cf" "$S/relay/sasl_passwd"; do
        [ ! -f "$file" ] || touch -d '1 minute ago' "$file"
    done
}

# Of what is looked at here; network, tokens and logins have a test of their own.
found_here() {
    printf '%s\n' "$FOUND" | grep -E '^[a-z]+ (configuration|account|files|store|plugin|modules|postfix|renewer|credential):'
}

no_problem() {
    ! found_here | grep -E '^problem'
}
no_warning() {
    ! found_here | grep -E '^(problem|warning)'
}

conf() {
    { section_app_only '*@contoso.com'; section_delegated '*@fabrikam.com' fabrikam.com; cat; } | sasl_conf
}

# with_main_cf NAME=VALUE: looks with that in main.cf, then takes it back.
with_main_cf() {
    cp "$MAIL_CONFIG/main.cf" "$S/main.cf"
    postconf -e "$1"
    doctor
    cp "$S/main.cf" "$MAIL_CONFIG/main.cf"
}

# with_mode MODE FILE: looks while the file has another mode.
with_mode() {
    mode=$(stat -c %a "$2")
    chmod "$1" "$2"
    doctor
    chmod "$mode" "$2"
}

timer() {
    printf 'ActiveState=%s\nUnitFileState=%s\nLastTriggerUSec=%s\n' "$1" "$2" "$3" >"$S/timer"
}

integration_begin
entra_start

# ---- a healthy set-up

mkdir "$S/bin"
printf '#!/bin/sh\ncat %s/timer\n' "$S" >"$S/bin/systemctl"
chmod 755 "$S/bin/systemctl"
PATH=$S/bin:$PATH
timer active enabled 'Sat 2026-11-21 07:00:00 UTC'
conf </dev/null
sign_in bob@fabrikam.com
sasl_bearer renew relay@contoso.com >/dev/null

RELAY_SMTPD_PORT=2525
mail_home "$S/relay" && postfix_directories "$S/relay"
postfix_client_configure "$S/relay" 587 "$CA" --env "SASL_CONF_PATH=$SASL_CONF_PATH" --env "SASL_PATH=$SASL_PATH"
for name in resolv.conf hosts services nsswitch.conf; do
    if [ -f "/etc/$name" ]; then
        mkdir -p "$S/relay/queue/etc" && cp -L "/etc/$name" "$S/relay/queue/etc/"
    fi
done
export MAIL_CONFIG="$S/relay/etc"

doctor
check "a healthy set-up has no problem, nor a warning" no_warning
check "which sasl.conf" found ok configuration "'$SASL_CONF_PATH/sasl.conf' was read, the system's"
check "and that Postfix reads the same" found ok postfix "Postfix reads '$SASL_CONF_PATH/sasl.conf', too"
check "whom Postfix logs in as" found ok postfix "as 'relay@contoso.com', which section [*@contoso.com] covers"
check "tokens" found ok store "bob@fabrikam.com: there is a token, good for"
check "the plugin" found ok plugin "programs are offered XOAUTH2 and OAUTHBEARER"
check "modules" found ok modules "the module of provider app_only can be loaded"
check "the timer" found ok renewer "sasl-bearer-renew.timer is active, enabled, last run Sat 2026"
doctor relay@contoso.com
check "a user's values, with file and line" found ok account "oauth2_client_id: $APP_ONLY_CLIENT ($SASL_CONF_PATH/sasl.conf:7)"
check "those of the top" found ok account "oauth2_servers: localhost ($SASL_CONF_PATH/sasl.conf:3)"
check "what nobody has set is left out" says_not "(the default)" "$FOUND"
check "presets, too" says_not "(the preset of" "$FOUND"
check "and counted" found ok account "other options have their defaults, which --verbose shows"
doctor --verbose relay@contoso.com
check "defaults" found ok account "oauth2_timeout: 20 (the default)"
check "presets" found ok account "oauth2_scope: https://outlook.office365.com/.default (the preset of microsoft365)"
check "with --verbose nothing is left out" says_not "other options have their defaults" "$FOUND"
check "for people: at most 80 columns, but for paths" \
    test -z "$(sasl_bearer check relay@contoso.com 2>&1 | grep -v '/' | grep -E '.{81}')"
check "--quiet says nothing of what is well" says_not 'was read' "$(sasl_bearer check --quiet)"

# ---- configuration

printf '[[x]]\n' | conf
doctor
check "a line that cannot be parsed" found problem configuration "a section reads [user@domain]"
printf '[a*@contoso.com]\noauth2_client_id: x\n[?@contoso.com]\noauth2_client_id: x\n[zoe@contoso.com]\noauth2_identity: bob@fabrikam.com\n' | conf
doctor
check "a pattern that an earlier one hides" found warning configuration "section [a*@contoso.com] is never used" "move [a*@contoso.com] above [*@contoso.com]"
check "another" found warning configuration "section [?@contoso.com] is never used"
check "an exact name is not hidden" says_not "[zoe@contoso.com] is never used" "$FOUND"
doctor zoe@contoso.com
# Here as elsewhere nobody asks the world's.
endpoint="oauth2_token_endpoint: $AUTHORITY/contoso.onmicrosoft.com/oauth2/v2.0/token"
check "a mailbox that somebody else signs in for" found ok account "zoe@contoso.com is opened with the sign-in of bob@fabrikam.com"
{
    echo 'oauth2_tenant: consumers'
    printf '[*@outlook.com]\noauth2_service: outlook\noauth2_client_id: x\n%s\n' "$endpoint"
    printf '[eve@contoso.com]\noauth2_provider: app_only\noauth2_client_secret_file: %s/secret\n%s\n' "$S" "$endpoint"
} | sasl_conf
doctor --verbose dana@outlook.com
check "what a section does not inherit does not count, even if it is the same" found ok account "oauth2_tenant: consumers (the preset of outlook)"
sed -i '/^oauth2_tenant: consumers/d' "$SASL_CONF_PATH/sasl.conf"
AZURE_TENANT_ID=contoso.example AZURE_CLIENT_ID=from-there
export AZURE_TENANT_ID AZURE_CLIENT_ID
doctor eve@contoso.com
unset AZURE_TENANT_ID AZURE_CLIENT_ID
check "the environment" found ok account "oauth2_tenant: contoso.example (the environment variable AZURE_TENANT_ID)"
printf '[eve@contoso.com]\noauth2_provider: app_only\noauth2_tenant: organizations\noauth2_client_id: x\noauth2_client_secret_file: /x\n' | conf
doctor
check "a section that cannot be used" found problem account "eve@contoso.com: $SASL_CONF_PATH/sasl.conf:15: [eve@contoso.com] has oauth2_tenant 'organizations'"
conf </dev/null
doctor nobody@nowhere.example
check "a user whom nothing covers" found problem account "no section of sasl.conf covers 'nobody@nowhere.example'"
with_mode 666 "$SASL_CONF_PATH/sasl.conf"
check "a sasl.conf that others can write" found problem configuration "run chmod go-w '$SASL_CONF_PATH/sasl.conf'"
with_mode 777 "$SASL_CONF_PATH"
check "a directory that others can write" found problem configuration "could put another sasl.conf there" "run chmod go-w '$SASL_CONF_PATH'"
with_mode 644 "$S/secret"
check "a secret that others can read" found problem files "run chmod o= '$S/secret'"
mv "$S/secret" "$S/secret.away"
doctor
check "a secret that is not there" found problem files "cannot open '$S/secret': No such file"
: >"$S/secret"
chmod 600 "$S/secret"
doctor
check "a secret that is empty" found problem files "'$S/secret' is empty"
mv "$S/secret.away" "$S/secret"
printf '[cat@contoso.com]\noauth2_provider: command\noauth2_token_command: /no/such/program --password hidden\n' | conf
doctor cat@contoso.com
check "a command that is not there" found problem files "cannot run '/no/such/program'"
check "whose arguments are nobody's business" says_not hidden "$FOUND"
printf '[cat@contoso.com]\noauth2_tenant: x.example\noauth2_client_id: x\noauth2_client_secret: swordfish\noauth2_provider: app_only\n%s\n' "$endpoint" | conf
chmod 640 "$SASL_CONF_PATH/sasl.conf"
doctor cat@contoso.com
check "a secret in sasl.conf is not shown" found ok account "oauth2_client_secret: *** ($SASL_CONF_PATH/sasl.conf:18)"
check "anywhere" says_not swordfish "$FOUND"
rm "$SASL_CONF_PATH/sasl.conf"
doctor
check "no sasl.conf at all" found problem configuration "there is no sasl.conf"
check "nor for Postfix" found problem postfix "Postfix finds no sasl.conf"
conf </dev/null

# ---- store

with_mode 755 "$STORE"
check "a store whose names others see" found warning store "anybody can see" "run chmod 700 '$STORE'"
with_mode 777 "$STORE"
check "a store that others can write" found problem store "can be written by others" "run chmod go-w '$STORE'"
cp "$(token_file bob@fabrikam.com)" "$S/kept.token"
head -c 81920 /dev/urandom >"$(token_file bob@fabrikam.com)"
cp "$(token_file app_only '*@contoso.com')" "$S/kept.app.token"
echo 'something else' >"$(token_file app_only '*@contoso.com')"
doctor
check "somebody's token file that is damaged" found problem store "bob@fabrikam.com: the token file '$(token_file bob@fabrikam.com)' is damaged" "run sasl-bearer login bob@fabrikam.com"
check "that of an application, which mends itself" found warning store "the token file '$(token_file app_only '*@contoso.com')' is damaged" "the next login writes it anew"
cat "$S/kept.app.token" >"$(token_file app_only '*@contoso.com')"
cp "$S/kept.token" "$(token_file bob@fabrikam.com)"
head -c 81920 /dev/zero >"$(token_file bob@fabrikam.com)"
doctor
check "a new one is not damaged" found problem store "bob@fabrikam.com: nobody has signed in"
cp "$S/kept.token" "$(token_file bob@fabrikam.com)"
sasl_bearer logout bob@fabrikam.com >"$S/logout.out" 2>&1
doctor
check "nor is one that was emptied" found problem store "bob@fabrikam.com: nobody has signed in"
cp "$S/kept.token" "$(token_file bob@fabrikam.com)"
with_mode 644 "$(token_file bob@fabrikam.com)"
check "a token file that others can read" found problem store "run chmod 600 '$(token_file bob@fabrikam.com)'"
doctor alice@fabrikam.com
check "somebody who has not signed in" found problem store "alice@fabrikam.com: nobody has signed in" "run sasl-bearer login alice@fabrikam.com"
sed -i 's/^oauth2_client_id: 0c1d/oauth2_client_id: 1c1d/' "$SASL_CONF_PATH/sasl.conf"
doctor
check "a sign-in under other settings" found problem store "the sign-in was made under other settings" "run sasl-bearer login bob@fabrikam.com"
conf </dev/null
memory=$(mktemp -d /dev/shm/check_local.XXXXXX 2>/dev/null) || memory=
if [ -n "$memory" ] && [ "$(stat -f -c %T "$memory")" = tmpfs ]; then
    sed -i "s|^oauth2_token_store:.*|oauth2_token_store: $memory|" "$SASL_CONF_PATH/sasl.conf"
    doctor
    check "a store that is gone after a restart" found warning store "tmpfs, is empty after a restart" "set oauth2_token_store"
fi
[ -z "$memory" ] || rm -rf "$memory"
conf </dev/null
settings '{"fail": {"status": 503}}'
sasl_bearer renew relay@contoso.com 2>/dev/null
doctor
check "an attempt that failed" found warning store "*@contoso.com: the last attempt to get a token failed"
settings '{"fail": null}'
sasl_bearer renew relay@contoso.com >/dev/null

# ---- plugin

cp "$saslplugindir/libsaslbearer.so" "$SASL_PATH/libotherxoauth2.so"
doctor
check "another plugin with our names" found problem plugin "the plugin 'otherxoauth2' offers XOAUTH2, too" "remove libotherxoauth2.so"
rm "$SASL_PATH/libotherxoauth2.so"
mv "$SASL_PATH/libsaslbearer.so" "$S/away.so"
doctor
check "a plugin that is not there" found problem plugin "libsaslbearer.so is not where libsasl2 looks for plugins, which is '$SASL_PATH'" "--with-saslplugindir=$SASL_PATH"
echo 'no library' >"$SASL_PATH/libsaslbearer.so"
doctor
check "a plugin that cannot be loaded" found problem plugin "libsasl2 cannot load libsaslbearer.so" "install it anew"
rm "$SASL_PATH/libsaslbearer.so"
sed 's|/sasl-bearer/providers|/sasl-bearer/providerz|g' "$saslplugindir/libsaslbearer.so" >"$SASL_PATH/libsaslbearer.so"
doctor
check "a plugin of another installation" found warning plugin "is not of the same installation as this command"
rm "$SASL_PATH/libsaslbearer.so"
mv "$S/away.so" "$SASL_PATH/libsaslbearer.so"
printf '[dan@contoso.com]\noauth2_provider: module:nowhere\n' | conf
doctor
check "a module that cannot be loaded" found problem modules "cannot load provider module:nowhere"
conf </dev/null

# ---- Postfix

while IFS='|' read -r setting result text remedy; do
    with_main_cf "$setting"
    check "main.cf: $setting" found "$result" postfix "$text" "$remedy"
done <<END
smtp_sasl_auth_enable = no|problem|Postfix never logs in|run postconf -e 'smtp_sasl_auth_enable = yes'
smtp_sasl_mechanism_filter =|warning|would log in with an empty password|smtp_sasl_mechanism_filter = xoauth2
smtp_sasl_mechanism_filter = plain, login|problem|leaves out XOAUTH2|smtp_sasl_mechanism_filter = xoauth2
smtp_tls_security_level = may|problem|a server need not show|smtp_tls_security_level = secure
smtp_tls_CAfile =|problem|no server's certificate can be verified|smtp_tls_CAfile = /
smtp_tls_CAfile = /no/such/file|problem|cannot read '/no/such/file'|smtp_tls_CAfile = /
smtp_sasl_tls_verified_security_options = noplaintext, noanonymous|problem|noplaintext keeps Postfix from using any bearer token|= noanonymous
smtp_sasl_security_options = noanonymous|warning|over a connection without TLS|smtp_sasl_security_options = noplaintext
smtp_sasl_auth_cache_name = proxy:btree:/tmp/x|problem|one refusal is remembered|smtp_sasl_auth_cache_name =
smtp_sasl_password_maps =|problem|does not know whom to log in as|smtp_sasl_password_maps = hash:
smtp_sasl_password_maps = hash:$S/relay/sasl_passwd|problem|cannot look at '$S/relay/sasl_passwd.db'|run postmap hash:$S/relay/sasl_passwd
smtp_sasl_password_maps = texthash:/dev/null|problem|has nothing for '[localhost]:587'|add the line '[localhost]:587 USER:'
relayhost = [smtp.elsewhere.example]:587|problem|has nothing for '[smtp.elsewhere.example]:587'|
relayhost =|skipped|relayhost is not set|
debug_peer_list = localhost|warning|conversations with these are logged|debug_peer_list =
cyrus_sasl_config_path = /nowhere|ok|Postfix reads '$SASL_CONF_PATH/sasl.conf', too|
import_environment = MAIL_CONFIG|warning|SASL_PATH is set here, but does not reach Postfix|add SASL_PATH=VALUE to import_environment
END

known_host=$(awk '!/^#/ && $2 != "localhost" && $2 ~ /^[a-z0-9.-]+$/ { print $2; exit }' /etc/hosts)
if [ -n "$known_host" ]; then
    cp "$MAIL_CONFIG/main.cf" "$S/main.cf.names"
    postconf -e "relayhost = [$known_host]:587"
    with_main_cf "smtp_host_lookup = dns"
    check "a name that only /etc/hosts may know" found warning postfix "/etc/hosts has an address for $known_host" "smtp_host_lookup = native,dns"
    with_main_cf "smtp_host_lookup = dns, native"
    check "Postfix looks there" says_not "/etc/hosts has an address" "$FOUND"
    cp "$S/main.cf.names" "$MAIL_CONFIG/main.cf"
fi

mkdir "$S/other"
cp "$SASL_CONF_PATH/sasl.conf" "$S/other/"
with_main_cf "import_environment = SASL_PATH=$SASL_PATH SASL_CONF_PATH=$S/other"
check "Postfix reads another sasl.conf" found problem postfix "Postfix reads '$S/other/sasl.conf', this command '$SASL_CONF_PATH/sasl.conf'"
echo "[localhost]:587 nobody@nowhere.example:" >"$S/relay/sasl_passwd"
doctor
check "Postfix logs in as somebody whom nothing covers" found problem postfix "no section of sasl.conf covers 'nobody@nowhere.example'"
echo "[localhost]:587 relay@contoso.com:swordfish" >"$S/relay/sasl_passwd"
doctor
check "a password that nobody uses" found warning postfix "has a password for relay@contoso.com, which nobody uses"
check "and nobody is shown" says_not swordfish "$FOUND"
echo "localhost relay@contoso.com:" >"$S/relay/sasl_passwd"
doctor
check "an entry for the host alone" found ok postfix "as 'relay@contoso.com'"
sed -i 's/^oauth2_servers:.*/oauth2_servers: elsewhere.example/' "$SASL_CONF_PATH/sasl.conf"
doctor
check "a server that may not be sent the token" found problem postfix "add 'oauth2_servers: localhost'"
conf </dev/null

cp "$MAIL_CONFIG/master.cf" "$S/master.cf"
postconf -F 'smtp/unix/command=smtp -v'
doctor
check "-v in master.cf" found problem postfix "the service smtp logs whole conversations" "take -v out of the line 'smtp'"
cp "$S/master.cf" "$MAIL_CONFIG/master.cf"
check "the jail" found ok postfix "smtp(8) works in the chroot jail '$S/relay/queue'"
echo changed >>"$S/relay/queue/etc/resolv.conf"
doctor
check "a copy that has grown old" found warning postfix "'$S/relay/queue/etc/resolv.conf' in the jail differs" "run cp -L '/etc/resolv.conf'"
rm "$S/relay/queue/etc/resolv.conf"
doctor
check "a copy that is missing" found problem postfix "resolv.conf' is missing in the jail" "run cp -L '/etc/resolv.conf'"
cp -L /etc/resolv.conf "$S/relay/queue/etc/"
{ echo 'oauth2_jailed_programs: lmtp'; cat "$SASL_CONF_PATH/sasl.conf"; } >"$S/sasl.conf" && cp "$S/sasl.conf" "$SASL_CONF_PATH/sasl.conf"
doctor
check "a jail nobody prepares for" found problem postfix "oauth2_jailed_programs leaves out smtp"
conf </dev/null
postconf -F 'smtp/unix/chroot=n'
doctor
check "no jail" found ok postfix "smtp(8) works outside of a chroot jail"
cp "$S/master.cf" "$MAIL_CONFIG/master.cf"

# ---- Postfix with more than one login

# postfix_is PASSWD MASTER MAIN...: the relay as it was, with this as sasl_passwd, this line in master.cf, and
# these settings in main.cf; and what is found then.
postfix_is() {
    cp "$S/main.cf.before" "$MAIL_CONFIG/main.cf"
    cp "$S/master.cf" "$MAIL_CONFIG/master.cf"
    printf '%s\n' "$1" >"$S/relay/sasl_passwd"
    printf '%s\n' "$2" >>"$MAIL_CONFIG/master.cf"
    shift 2
    [ $# -eq 0 ] || postconf -e "$@"
    doctor
}
cp "$MAIL_CONFIG/main.cf" "$S/main.cf.before"
passwords='smtp_sasl_mechanism_filter = !xoauth2, !oauthbearer, static:all'
beside='relayhost = [smtp.example.net]:587'
by_sender='sender_dependent_default_transport_maps = inline:{ { @contoso.com = m365:[localhost]:587 }, { <> = m365:[localhost]:587 } }'
m365='m365 unix - - y - - smtp -o smtp_sasl_mechanism_filter=xoauth2'
both='[localhost]:587 relay@contoso.com:
[smtp.example.net]:587 contoso:PASSWORD'
no_password() {
    says_not PASSWORD "$FOUND"
}

postfix_is "$both" "$m365" "$passwords" "$beside" "$by_sender"
check "passwords and tokens side by side" no_warning
check "who has a token" found ok postfix "to [localhost]:587 as 'relay@contoso.com', which section [*@contoso.com] covers"
check "is named once" equals 1 "$(printf '%s\n' "$FOUND" | grep -c 'logs in to \[localhost\]')"
check "who has a password is none of ours" found ok postfix "to [smtp.example.net]:587 as 'contoso' by password"
check "which is not shown" no_password
check "whose filter it is" found ok postfix "smtp_sasl_mechanism_filter of the service m365 is 'xoauth2'"
postfix_is "$(echo "$both" | sed 's/contoso:/wilhelmina:/')" "$(echo "$m365" | sed 's/m365/northwind/')" "$passwords" "$beside" "$(echo "$by_sender" | sed 's/m365/northwind/g')"
run sasl_bearer check --report
check "a report has these logins" says "by password: smtp_sasl_mechanism_filter keeps tokens away" "$(printf '%s' "$OUT" | tr -s ' \n' ' ')"
check "and names nobody's user" says_not wilhelmina "$OUT"
check "nor transport" says_not northwind "$OUT"
for tables in "transport_maps = texthash:$S/transport" "sender_dependent_default_transport_maps = texthash:$S/transport"; do
    printf '@contoso.com m365:[localhost]:587\nintern.example smtp:[10.1.2.3]\nintern.example :\nlocal.example local:\n' >"$S/transport"
    touch -d '1 minute ago' "$S/transport"
    postfix_is "$both" "$m365" "$passwords" "$beside" "$tables"
    check "${tables%% *}, in a file: no trouble" no_warning
    check "and the login is seen" found ok postfix "to [localhost]:587 as 'relay@contoso.com'"
done
postfix_is "$both" "$m365" "$passwords" 'relayhost =' "$by_sender"
check "no relayhost: all others' mail goes anywhere" no_warning
check "but there is a login" found ok postfix "to [localhost]:587 as 'relay@contoso.com'"
postfix_is '[localhost]:587 relay@contoso.com:' "$m365" "$passwords" "$beside" "$by_sender"
check "a relayhost that wants no login" no_warning
postfix_is '[localhost]:587 relay@contoso.com:' "$m365" 'smtp_sasl_mechanism_filter =' 'default_transport = m365'
check "all mail by a transport of its own" no_warning
printf '@contoso.com [localhost]:587\n' >"$S/transport" && touch -d '1 minute ago' "$S/transport"
postfix_is "$both" '' "$beside" "sender_dependent_relayhost_maps = texthash:$S/transport"
check "without a filter against it, a password's login is a token's" found problem postfix "as 'contoso', but no section of sasl.conf covers 'contoso'" "Passwords and tokens side by side"
check "the others' next hops are looked at" found ok postfix "to [localhost]:587 as 'relay@contoso.com'"
postfix_is '[smtp.example.net]:587 contoso:PASSWORD' '' "$passwords" "$beside"
check "passwords only: none of ours" found skipped postfix "logs in with passwords only"
check "at all" no_warning

postfix_is "$(echo "$both" | sed 's/^\(\[localhost.*\) .*/\1 nobody@nowhere.example:/')" "$m365" "$passwords" "$beside" "$by_sender"
check "a sender's server, and nobody covers the login" found problem postfix "to [localhost]:587 as 'nobody@nowhere.example', but no section"
postfix_is "$both" "${m365%% -o*}" "$passwords" "$beside" "$by_sender"
check "a transport without its filter" found problem postfix "static:all', which leaves out XOAUTH2" "run postconf -P 'm365/unix/smtp_sasl_mechanism_filter=xoauth2'"
postfix_is "$both" "$m365 -o smtp_sasl_security_options=noanonymous" "$passwords" "$beside" "$by_sender"
check "a transport's own mistake" found warning postfix "smtp_sasl_security_options of the service m365 is 'noanonymous'" "run postconf -P 'm365/unix/smtp_sasl_security_options=noplaintext,noanonymous'"
postfix_is "$both" "${m365%% -o*} -o smtp_sasl_auth_cache_name= -o {smtp_sasl_mechanism_filter=oauthbearer, xoauth2}" \
    "$passwords" "$beside" "$by_sender" 'smtp_sasl_auth_cache_name = proxy:btree:/var/lib/postfix/cache'
check "an option without a value, and one with blanks in it" found ok postfix "filter of the service m365 is 'oauthbearer, xoauth2'"
postfix_is "$both
localhost nobody@nowhere.example:" "$m365" "$passwords" "$beside" "$by_sender"
check "the host's name goes before the next hop" found problem postfix "to [localhost]:587 as 'nobody@nowhere.example', but no section"
postfix_is "localhost relay@contoso.com:" "$m365" 'relayhost = [localhost]:2525' "$by_sender" 'smtp_tls_security_level = may'
check "two servers with tokens" found ok postfix "to [localhost]:2525 as 'relay@contoso.com'"
check "main.cf's mistake is one" equals 1 "$(printf '%s\n' "$FOUND" | grep -c 'smtp_tls_security_level is')"
postfix_is '[smtp.example.net]:587 contoso:PASSWORD' "$m365" "$passwords" "$beside" "$by_sender"
check "a transport for tokens, and nobody to log in" found problem postfix "has nothing for '[localhost]:587'" "add the line '[localhost]:587 USER:'"
postfix_is "$both" "$m365" "$passwords" "$beside" 'sender_dependent_default_transport_maps = regexp:/dev/null'
check "a table that cannot be listed" found skipped postfix "'regexp:/dev/null' cannot be listed"
for filter in 'XOAUTH2, plain' '!plain, static:all' 'oauthbearer'; do
    postfix_is '[localhost]:587 relay@contoso.com:' '' "smtp_sasl_mechanism_filter = $filter"
    check "a filter that lets tokens in: $filter" no_warning
done
for filter in '!xoauth2' '!xoauth2, !oauthbearer, static:all' '!static:all'; do
    postfix_is '[localhost]:587 relay@contoso.com:' '' "smtp_sasl_mechanism_filter = $filter"
    check "a filter that does not: $filter" found problem postfix "which leaves out XOAUTH2"
done

senders='sales@contoso.com sales@contoso.com:
@contoso.com info@contoso.com:
[localhost]:587 relay@contoso.com:'
depends='smtp_sender_dependent_authentication = yes'
alone='smtp_destination_concurrency_failed_cohort_limit = 0'
postfix_is "$senders" '' "$depends" "$alone"
check "several senders" no_warning
check "one of them" found ok postfix "to [localhost]:587 as 'sales@contoso.com', which section"
check "all that are left" found ok postfix "as 'info@contoso.com' for mail from '@contoso.com', which section"
check "and the rest" found ok postfix "to [localhost]:587 as 'relay@contoso.com', which section"
postfix_is "$senders" '' "$depends"
check "senders who wait for each other" found warning postfix "smtp_destination_concurrency_failed_cohort_limit is '1'" "run postconf -e 'smtp_destination_concurrency_failed_cohort_limit = 0'"
check "once" equals 1 "$(printf '%s\n' "$FOUND" | grep -c 'cohort_limit is')"
postfix_is "$senders" '' "$depends" 'default_destination_concurrency_failed_cohort_limit = 0'
check "the same for all transports" no_warning
postfix_is "$senders" "$m365 -o smtp_sender_dependent_authentication=yes" "$passwords" "$beside" "$by_sender"
check "senders with a transport of their own" found warning postfix "m365_destination_concurrency_failed_cohort_limit is '1'"
check "which is looked at" found ok postfix "to [localhost]:587 as 'sales@contoso.com', which section"
postfix_is "$senders
eve@contoso.com nobody@nowhere.example:" '' "$depends" "$alone"
check "a sender whose login nobody covers" found problem postfix "as 'nobody@nowhere.example' for mail from 'eve@contoso.com', but no section"
postfix_is "$senders
eve@contoso.com eve:PASSWORD" '' "$depends" "$alone"
check "a sender's password where tokens go" found problem postfix "no section of sasl.conf covers 'eve'"
check "which is not shown either" no_password
postfix_is "$(echo "$senders" | sed '$d')" '' "$depends" "$alone"
check "senders, and nobody for the rest" found warning postfix "has nothing for '[localhost]:587'"
postfix_is '[localhost]:587 relay@contoso.com:' '' "$depends"
check "no sender, who was to be asked for" found skipped postfix "has no line for a sender"
postfix_is "$senders" ''
check "senders nobody asks for" found warning postfix "lines for senders, which Postfix does not look for" "smtp_sender_dependent_authentication = yes"
echo "$senders" >"$S/relay/hashed" && postmap "hash:$S/relay/hashed"
postfix_is '' '' "$depends" "$alone" "smtp_sasl_password_maps = proxy:hash:$S/relay/hashed"
check "an indexed table, by proxymap(8)" no_warning
check "is read" found ok postfix "as 'info@contoso.com' for mail from '@contoso.com', which section"

for level in 0 3.6; do
    postfix_is '[localhost]:587 relay@contoso.com:' "$(echo "$m365" | sed 's/ y / - /')" 'default_transport = m365' "compatibility_level = $level"
    case $level in
    0) check "a chroot that is the default" found ok postfix "smtp(8) works in the chroot jail" ;;
    *) check "no chroot, by default, though smtp/unix has one" found ok postfix "smtp(8) works outside of a chroot jail" ;;
    esac
done
cp "$S/main.cf.before" "$MAIL_CONFIG/main.cf"
cp "$S/master.cf" "$MAIL_CONFIG/master.cf"
echo '[localhost]:587 relay@contoso.com:' >"$S/relay/sasl_passwd"

# ---- renewer

timer inactive '' n/a
doctor
check "no timer where nothing needs it" found ok renewer "nothing here depends on it"
printf '[dan@contoso.com]\noauth2_provider: command\noauth2_token_command: /bin/true\n' | conf
doctor
check "no timer for what a jail cannot do" found warning renewer "because of oauth2_token_command, a program in a chroot jail" "systemctl enable --now sasl-bearer-renew.timer"
timer active disabled n/a
doctor
check "a timer that does not last" found warning renewer "will not be after the next start" "run systemctl enable"
timer active enabled n/a
{ section_app_only 'eva@contoso.com'; echo "oauth2_client_secret_expires: $(date -d '+10 days' +%Y-%m-%d)"; } | conf
doctor
check "a secret that ends soon" found warning credential "eva@contoso.com: the client secret ends in"
{ section_app_only 'eva@contoso.com'; echo "oauth2_client_secret_expires: 2020-01-01"; } | conf
doctor
check "a secret that has ended" found problem credential "the client secret ended on 2020-01-01"
conf </dev/null

# ---- a report

names() {
    printf '%s\n' contoso fabrikam bob relay@ alice elsewhere "$(hostname)" 4f5a9f88 0c1d2e3f bdca9a88c089 7f000001 10.11.12.13 \
        "$S" swordfish topsecret
}
# names_nobody TEXT: none of these is in it, whatever the case.
names_nobody() {
    names | while IFS= read -r name; do
        ! printf '%s\n' "$1" | grep -iqF -e "$name" || echo "$name"
    done | { ! grep .; } || { printf '%s\n' "$1"; return 1; }
}

{
    printf '[bob@contoso.com]\noauth2_client_secret_file: %s/topsecret-contoso.txt\n' "$S"
    printf '[info@elsewhere.example]\noauth2_identity: bob@fabrikam.com\n'
    printf '[x@10.11.12.13]\noauth2_service: custom\noauth2_client_id: relay@contoso\noauth2_scope: mail\noauth2_token_endpoint: https://login.elsewhere.example/t\noauth2_proxy: http://127.0.0.1:9\noauth2_servers: imap.elsewhere.example\n'
} | conf
has_a_past
for who in '' relay@contoso.com bob@fabrikam.com info@elsewhere.example bob@contoso.com nobody@alice.example x@10.11.12.13; do
    # shellcheck disable=SC2086 # none, or one
    run sasl_bearer check --report $who
    check "a report names nobody: ${who:-nobody}" names_nobody "$OUT$ERR"
done
run sasl_bearer check --report bob@fabrikam.com
check "a report tells the versions" says "sasl-bearer " "$OUT"
check "and what is public" says "$(printf 'oauth2_service: microsoft365')" "$OUT"
check "one placeholder for one name" says "[*@domain" "$OUT"
run sasl_bearer check --report --json
check "a report as JSON names nobody either" names_nobody "$OUT$ERR"

# ---- somebody without rights

section_delegated '*@fabrikam.com' fabrikam.com >"$S/user.conf"
user_begin <"$S/user.conf"
conf </dev/null
sed -i "s|^oauth2_ca_file: .*|oauth2_ca_file: $S/ca.pem|" "$SASL_CONF_PATH/sasl.conf"
chmod 700 "$S/relay/queue"
examine as_user env SASL_CONF_PATH="$SASL_CONF_PATH" MAIL_CONFIG="$MAIL_CONFIG" PATH="$PATH" "$bindir/sasl-bearer" check --json
check "what is root's is no problem of others" no_problem
check "a secret of the system's" found skipped files "this user may not read '$S/secret'" "run as root to see it"
check "the system's tokens" found skipped store "this user may not use the token directory '$STORE'" "run as root to see it"
check "whom Postfix logs in as" found skipped postfix "this user may not read smtp_sasl_password_maps" "run as root to see it"
check "the jail" found skipped postfix "this user may not look into the jail" "run as root to see it"
rm "$S/relay/sasl_passwd"
postconf -e "smtp_sasl_password_maps = hash:$S/relay/sasl_passwd"
: >"$S/relay/sasl_passwd.db"
chmod 600 "$S/relay/sasl_passwd.db"
has_a_past
examine as_user env SASL_CONF_PATH="$SASL_CONF_PATH" MAIL_CONFIG="$MAIL_CONFIG" "$bindir/sasl-bearer" check --json
check "nor is a table without its source" no_problem

for mode in 755 700; do
    mkdir -p "$S/roots" && chmod "$mode" "$S/roots"
    sed -i "s|^oauth2_token_store: .*|oauth2_token_store: $S/roots|" "$SASL_CONF_PATH/sasl.conf"
    examine as_user env SASL_CONF_PATH="$SASL_CONF_PATH" "$bindir/sasl-bearer" check --json
    check "nor is a store of root's with mode $mode" no_problem
done
rmdir "$S/roots"
examine as_user env SASL_CONF_PATH="$SASL_CONF_PATH" "$bindir/sasl-bearer" check --json
check "nor one that is not there yet" no_problem
chmod 700 "$SASL_CONF_PATH"
examine as_user env SASL_CONF_PATH="$SASL_CONF_PATH" MAIL_CONFIG="$MAIL_CONFIG" "$bindir/sasl-bearer" check --json
check "nor is a sasl.conf missing that only root sees" found skipped postfix "Postfix reads '$SASL_CONF_PATH/sasl.conf', which this user does not"

unset MAIL_CONFIG
run as_user "$bindir/sasl-bearer" check --json
check "a user's own sasl.conf" says "the user's" "$OUT"
check "nothing is changed by looking: no directory came to be" test ! -e "$USER_HOME/.local"

integration_end
