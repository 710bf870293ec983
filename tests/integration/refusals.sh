#!/bin/sh
# Each refusal that the catalogue knows, as Entra would say it: whoever reads the line finds Microsoft's number and what to
# do, for an application and for a person, and scripts find an exit status that says who must act.
. "${0%/*}/lib.sh"

A=relay@contoso.com
B=bob@fabrikam.com
# Who has no time for a second attempt, of which there is one where the identity provider has trouble.
A_IN_HASTE=box1@contoso.com
B_IN_HASTE=erin@fabrikam.com
# Two that only a sign-in under way can meet, where "error" says that it goes on, or what was wrong with the request.
PENDING=S70016
MISTYPED=S90119
# What an application is told where the catalogue would have a person sign in.
NO_PERSON="check the application's registration and sasl.conf"

# catalogue: prints "number|who acts|what to do" for each row of provider/catalogue.c.
catalogue() {
    python3 - "$top_srcdir/provider/catalogue.c" <<'END'
import re, sys
source = open(sys.argv[1]).read()
rows = re.findall(r'\{ *(\d+), ([CSAT]), "[^"]*",\s*"([^"]*)" \}', source)
if len(rows) != len(re.findall(r"^ *\{ *\d+, [A-Z],", source, re.M)):
    sys.exit("a row is written in another way than the others")
for row in rows:
    print("|".join(row))
END
}

# unknown: the numbers of the identity provider's that the catalogue does not have.
unknown() {
    sed -n 's/^    \([0-9]*\): (.*/\1/p' "$top_srcdir/tests/entra/aadsts.py" | while read -r unknown_number; do
        grep -q "^$unknown_number|" "$S/catalogue" || echo "$unknown_number"
    done
}

# refuse NUMBER: from now on the identity provider refuses everybody with that.
refuse() {
    settings "{\"fail\": {\"aadsts\": $1}}"
}

# member NAME: of what status --json says about one account.
member() {
    printf '%s\n' "$told_status" | sed -n "s/^.*\"$1\": \"\([^\"]*\)\".*/\1/p"
}

# told USER NUMBER REMEDY STATUS STATE...: so a command says it, and so it is remembered, as one of these states.
told() {
    run sasl_bearer token --renew "$1"
    remark "$4" "AADSTS$2: " || return 1
    case $ERR in
    *"; $3 correlation_id="*) ;;
    *) printf 'the remedy is missing: %s\nfound: %s\n' "$3" "$ERR"; return 1 ;;
    esac
    told_status=$(sasl_bearer status --json "$1")
    equals "$4 AADSTS$2" "$? $(member cause)" || return 1
    shift 4
    case " $* " in
    *" $(member state) "*) ;;
    *) printf 'expected: %s\nfound: %s\n' "$*" "$(member state)"; return 1 ;;
    esac
}

# as_application NUMBER WHO REMEDY: there is nobody who could sign in.
as_application() {
    case $2$1 in
    T*) told "$A_IN_HASTE" "$1" "$3" 75 retrying ;;
    "$PENDING") told "$A" "$1" 'try again later' 75 retrying ;;
    S*) told "$A" "$1" "$NO_PERSON" 77 refused ;;
    *) told "$A" "$1" "$3" 77 refused ;;
    esac
}

# as_person NUMBER WHO REMEDY
as_person() {
    case $2$1 in
    T*) told "$B_IN_HASTE" "$1" "$3" 75 retrying ;;
    "$PENDING") told "$B" "$1" "$3" 75 retrying ;;
    "$MISTYPED") told "$B" "$1" "$3" 77 refused ;;
    S*) told "$B" "$1" "$3" 77 sign_in_needed && says "(sasl-bearer login $B)" "$ERR" ;;
    *) told "$B" "$1" "$3" 77 refused sign_in_needed ;;
    esac
}

integration_begin
entra_start
{
    section_app_only $A
    section_delegated $B fabrikam.com
    section_app_only $A_IN_HASTE
    echo 'oauth2_timeout: 2'
    section_delegated $B_IN_HASTE fabrikam.com
    echo 'oauth2_timeout: 2'
} | sasl_conf
sign_in $B
sign_in $B_IN_HASTE
catalogue >"$S/catalogue"
check "the catalogue can be read" test -s "$S/catalogue"
check "it has all that the identity provider may say" equals "" "$(unknown)"

while IFS='|' read -r number who remedy; do
    refuse "$number"
    check "AADSTS$number: an application is told what to do" as_application "$number" "$who" "$remedy"
    check "AADSTS$number: a person is told what to do" as_person "$number" "$who" "$remedy"
done <"$S/catalogue"

settings '{"fail": null}'
run sasl_bearer renew $B
check "after all that the sign-in is still there" equals "0 " "$STATUS $ERR"
run sasl_bearer renew $A
check "and the application gets its token" equals "0 " "$STATUS $ERR"
integration_end
