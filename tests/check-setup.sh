#!/bin/sh
# check-setup.sh - does `sasl-bearer setup` tell what the guides tell?
#
# What it prints for doc/microsoft365.md's own examples, its commands, links, permissions and portals, must stand in that guide word
# for word, and the guide's commands must be among what it prints.  The same for Postfix' settings, with doc/postfix.md and README.md.
# Wants the command in top_builddir, else in bindir.
set -u
LC_ALL=C
export LC_ALL

top_srcdir=${top_srcdir:-$(cd "${0%/*}/.." && pwd)}
tool=${top_builddir:-/nonexistent}/sasl-bearer
[ -x "$tool" ] || tool=${bindir:-/nonexistent}/sasl-bearer
if ! [ -x "$tool" ]; then
    echo "skipped: neither top_builddir nor bindir has a sasl-bearer"
    exit 77
fi
T=$(mktemp -d) || exit 99
trap 'rm -rf "$T"' EXIT
trap 'exit 1' HUP INT TERM
chmod 755 "$T"
GUIDE=$top_srcdir/doc/microsoft365.md
POSTFIX=$top_srcdir/doc/postfix.md

# Functions here run in pipelines, which cannot count in variables.
: >"$T/checked" && : >"$T/failed"
checked() {
    echo >>"$T/checked"
}
complain() {
    echo "$*"
    echo >>"$T/failed"
}

# setup ARGUMENT...: with nothing of this machine's own
setup() {
    env -u AZURE_CLIENT_ID -u AZURE_TENANT_ID -u AZURE_AUTHORITY_HOST "$tool" setup --conf "$T/sasl.conf" "$@" </dev/null
}

# bare: lines without what indents them, and without blank ones
bare() {
    sed 's/^ *//; s/ *$//' | grep .
}

# stand_in FILE WHAT: each line of standard input is a whole line of the file.
stand_in() {
    bare <"$1" >"$T/lines"
    while read -r line; do
        checked
        grep -q -x -F -e "$line" "$T/lines" || complain "${1##*/} lacks $2: $line"
    done
}

# words_in FILE WHAT: each line of standard input stands somewhere in the file.
words_in() {
    while read -r words; do
        checked
        grep -q -F -e "$words" "$1" || complain "${1##*/} lacks $2: $words"
    done
}

# commands: those of PowerShell, be they behind a # or not
commands() {
    sed -n 's/^\(# \)\{0,1\}\(\(Connect\|New\|Add\|Set\|Get\|Test\)-[A-Z].*\)/\2/p; s/^\(# \)\{0,1\}\(\$[a-z]* = .*\)/\2/p; s/^# *\(-[A-Z].*\)/\1/p'
}

APPLICATION='--app-only --tenant contoso.onmicrosoft.com --client-id CLIENT_ID'
PERSON='--delegated --tenant fabrikam.com --client-id CLIENT_ID'

# ---- PowerShell, both ways

{
    # shellcheck disable=SC2086 # words
    setup --print-powershell $APPLICATION relay@contoso.com
    # shellcheck disable=SC2086
    setup --print-powershell $PERSON --mailbox info@fabrikam.com bob@fabrikam.com
    for cloud in usgov usgov_dod china; do
        setup --print-powershell --cloud "$cloud" | grep '^Connect-'
    done
} | commands | sort -u >"$T/setup"
[ "$(grep -c . "$T/setup")" -gt 10 ] || complain "setup --print-powershell prints too little; has its form changed?"
sed '/Connect-/s/  *#.*//' "$GUIDE" >"$T/microsoft365.md"
stand_in "$T/microsoft365.md" "a command that setup prints" <"$T/setup"
# Microsoft Graph's commands are about managed identities, which setup does not do.
bare <"$T/microsoft365.md" | grep -E '^(Connect|New|Add|Set|Get|Test)-[A-Z][A-Za-z]* |^\$group = |^Connect-ExchangeOnline|^-CustomResourceScope' |
    grep -v -e '-Mg' >"$T/told"
stand_in "$T/setup" "a command that microsoft365.md has" <"$T/told"

# ---- links

# shellcheck disable=SC2086
{
    setup --print-consent-url $APPLICATION
    setup --print-consent-url $PERSON
} | stand_in "$GUIDE" "a link that setup prints"

# ---- what it says after it wrote: permissions, links, portals, Postfix

# shellcheck disable=SC2086
setup --system --yes $APPLICATION --make-certificate "$T/relay.pem" --mailbox relay@contoso.com >"$T/application" ||
    complain "setup --app-only fails"
# shellcheck disable=SC2086
setup --system --yes $PERSON bob@fabrikam.com >"$T/person" || complain "setup --delegated fails"
: >"$T/none.conf"
"$tool" login --conf "$T/none.conf" carol@fabrikam.com >"$T/nobody" 2>&1 # who has no client id yet is told about all of it
cat "$T/application" "$T/person" "$T/nobody" | bare >"$T/said"
grep -o '^https://[^ ]*' "$T/said" | sort -u | stand_in "$GUIDE" "a link that setup prints"
grep -o '^[A-Z]*\.[A-Z][A-Za-z.]*' "$T/said" | sort -u >"$T/permissions"
[ "$(grep -c . "$T/permissions")" -ge 6 ] || complain "setup names too few permissions; has its form changed?"
sed 's/.*/`&`/' "$T/permissions" | words_in "$GUIDE" "a permission that setup names"
# and the steps' own words, in which portal and guide must agree
printf '%s\n' 'App registrations' 'New registration' 'Certificates & secrets' 'New client secret' 'API permissions' \
    'APIs my organization uses' 'Office 365 Exchange Online' 'Grant admin consent' 'Enterprise applications' \
    'Managed application in local directory' \
    'Mobile and desktop applications' 'http://localhost' >"$T/words"
words_in "$GUIDE" "a word of the portal's" <"$T/words"
tr '\n' ' ' <"$T/said" >"$T/said_on" # setup folds its lines
grep -v 'New client secret' "$T/words" | words_in "$T/said_on" "a word of the portal's"
for cloud in public usgov usgov_dod china; do
    # shellcheck disable=SC2086
    setup --system --yes $PERSON --cloud "$cloud" bob@fabrikam.com | sed -n 's/^In \(https:.*\):$/\1/p; s/^relayhost = \[\(.*\)\]:587/\1/p'
done | sed 's|^https://entra|entra|' | sort -u >"$T/clouds"
grep -v '^smtp.office365.com$' "$T/clouds" | words_in "$GUIDE" "a portal or relay that setup names"

sed -n '/^# \/etc\/postfix\/sasl_passwd/,/^smtp_sasl_tls_verified/p' "$T/application" | sed '/^#.*;$/{N;s/\n#//;}' |
    sed 's|^\(smtp_tls_CAfile = \).*|\1/etc/ssl/certs/ca-certificates.crt|' >"$T/recipe"
[ "$(grep -c . "$T/recipe")" -eq 10 ] || complain "setup prints another Postfix recipe: $(cat "$T/recipe")"
stand_in "$POSTFIX" "a line of setup's Postfix recipe" <"$T/recipe"
grep -v '^#' "$T/recipe" | stand_in "$top_srcdir/README.md" "a line of setup's Postfix recipe"
sed -n '/^    # \/etc\/postfix\/sasl_passwd/,/^$/p' "$POSTFIX" | bare | stand_in "$T/recipe" "a line of postfix.md"

echo "$(wc -l <"$T/checked") checked, $(wc -l <"$T/failed") failed"
! [ -s "$T/failed" ]
