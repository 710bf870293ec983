#!/bin/sh
# check-docs.sh - do the manuals say what the sources do, and nothing else?
#
# Options with values, defaults and bounds, providers, services, commands with their options, states and formats, the
# members of provider.h: each is taken from the sources and from the manual pages, and the two are compared both ways; so
# are the options of commands with the completions.
# Then: error texts in sasl.conf(5) are of a form that the sources have, its samples are configurations that the command
# accepts, the example of sasl-bearer-provider(7) compiles, links in Markdown lead somewhere, options and commands named
# anywhere exist, blocks that a test is said to run are run by it, lines are not too long, manual pages are free of mandoc's
# warnings.
#
# The pages' conventions stand at their beginning.  Runs from the tree; top_srcdir from the environment or from $0.  The
# samples are tried with the command in top_builddir, else in bindir; where there is neither, they are not.
set -u
LC_ALL=C
export LC_ALL

top_srcdir=${top_srcdir:-$(cd "${0%/*}/.." && pwd)}
cd "$top_srcdir" || exit 99
T=$(mktemp -d) || exit 99
trap 'rm -rf "$T"' EXIT
trap 'exit 1' HUP INT TERM

WIDTH=120
failed=0
checked=0

complain() {
    echo "$*"
    failed=$((failed + 1))
}

# compare WHAT SOURCE PAGE: two files of lines, as sets.  Empty is wrong: then a convention has changed.
compare() {
    checked=$((checked + 1))
    grep . "$T/$2" | sort -u >"$T/a"
    grep . "$T/$3" | sort -u >"$T/b"
    [ -s "$T/a" ] || complain "$1: nothing found in the sources; has their form changed?"
    [ -s "$T/b" ] || complain "$1: nothing found in the manual; has its form changed?"
    if ! cmp -s "$T/a" "$T/b"; then
        complain "$1: manual and sources differ"
        comm -23 "$T/a" "$T/b" | sed "s|^|    only in the sources: |"
        comm -13 "$T/a" "$T/b" | sed "s|^|    only in the manual:  |"
    fi
}

# page_section FILE NAME: the lines of a manual page's section.
page_section() {
    awk -v name="$2" '/^\.Sh /{ on = substr($0, 5) == name; next } on' "$1"
}

# first_strings: the first string of each row of a C table on standard input.
first_strings() {
    sed -n 's/^ *{ *"\([^"]*\)".*/\1/p'
}

CONF=doc/sasl.conf.5
TOOL=doc/sasl-bearer.1
PROVIDER=doc/sasl-bearer-provider.7

# ---- options: "NAME values|default|bounds|environment"

# A row is [OPT_X] = { "name", TYPE, GROUP, FLAGS, fallback, choices, minimum, maximum, environment, "summary" },
awk '
/^static const struct bearer_option_row rows/ { on = 1; next }
on && /^};/ { exit }
on { table = table " " $0 }
END {
    while (match(table, /\[OPT_[A-Z0-9_]*\] *= *\{/)) {
        table = substr(table, RSTART + RLENGTH)
        n = 0
        delete field
        for (;;) {
            sub(/^[ ,]+/, "", table)
            if (substr(table, 1, 1) == "}")
                break
            if (match(table, /^"[^"]*"/))
                field[++n] = substr(table, 2, RLENGTH - 2)
            else if (match(table, /^[^,}]+/)) {
                field[++n] = substr(table, 1, RLENGTH)
                sub(/ +$/, "", field[n])
                if (field[n] == "NULL")
                    field[n] = ""
            } else
                exit 1
            table = substr(table, RLENGTH + 1)
        }
        if (n != 10)
            exit 1
        bounds = field[2] == "OPT_TYPE_SECONDS" ? field[7] "-" field[8] : ""
        printf "%s values=%s default=%s bounds=%s environment=%s\n", field[1], field[6], field[5], bounds, field[9]
        group = field[3]
        sub(/^OPT_GROUP_/, "", group)
        if (group != "NONE")
            print field[1], tolower(group) >(out ".groups")
        if (field[4] ~ /OPT_COMPLETES/)
            print field[1] >(out ".completes")
    }
}' out="$T/options" credential/options.c >"$T/options.source" || complain "credential/options.c: a row has another form"

rows=$(grep -c . <"$T/options.source")
names=$(sed -n '/^enum bearer_option_id/,/}/p' credential/options.h | grep -c '^ *OPT_[A-Z0-9_]*,')
[ "$rows" -eq "$names" ] || complain "credential/options.h has $names options, $rows rows were found in options.c"

# An item is ".It Ic NAME : Cm a | b" or ".It Ic NAME : Ar x", then "Default:" with .Cm VALUE below it or prose behind
# it, "from N to M" and ".Ev VARIABLE".
page_section "$CONF" OPTIONS | awk '
function put() {
    if (name != "")
        printf "%s values=%s default=%s bounds=%s environment=%s\n", name, values, fallback, bounds, environment
    if (name != "" && !told)
        printf "%s has no line that begins with Default:\n", name >"/dev/stderr"
}
/^\.It Ic oauth2_/ {
    put()
    name = $3
    values = fallback = bounds = environment = ""
    told = 0
    if ($5 == "Cm") {
        for (i = 6; i <= NF; i++)
            if ($i != "|")
                values = values (values == "" ? "" : " ") $i
        sub(/module:NAME/, "module:", values)
    }
    next
}
/^\.(Ss|El)/ { put(); name = "" }
/^Default:/ {
    told = 1
    if ($0 == "Default:" && (getline) > 0 && $1 == ".Cm") {
        sub(/^\.Cm /, "")
        sub(/ *[.,;]$/, "")
        fallback = $0
    }
}
match($0, /from [0-9]+ to [0-9]+/) {
    split(substr($0, RSTART, RLENGTH), word, " ")
    bounds = word[2] "-" word[4]
}
/^\.Ev AZURE_/ { environment = $2 }
END { put() }' >"$T/options.page" 2>"$T/options.error"
while read -r line; do complain "$CONF: $line"; done <"$T/options.error"
# The directories are prose: a default that is none of these words.
compare "options of sasl.conf(5)" options.source options.page

page_section "$CONF" DESCRIPTION | awk '
/^\.Ss/ { on = /Which value/ }
on && /^\.It (service|credential)$/ { group = $2; next }
on && /^\.El/ { group = "" }
on && group != "" && /^\.Ic/ {
    for (i = 2; i <= NF; i++)
        if ($i ~ /^oauth2_/)
            print $i, group
}
' >"$T/groups.page"
compare "groups of options in sasl.conf(5)" options.groups groups.page

sed -n '/^\.\\" completes/,/^\.\\" end/s/^\.Ic //p' "$CONF" | tr -d ',.' | tr ' ' '\n' |
    grep oauth2_ >"$T/completes.page"
compare "options a program may give, in sasl.conf(5)" options.completes completes.page

# ---- providers and services

sed -n '/^static const struct bearer_provider_row rows/,/^};/p' credential/providers.c |
    sed 's/{ MODULE_PREFIX/{ "module:NAME"/' | first_strings >"$T/providers.source"
page_section "$CONF" PROVIDERS | sed -n 's/^\.It Cm //p' >"$T/providers.page"
compare "providers in sasl.conf(5)" providers.source providers.page
sed -n 's/^oauth2_provider values=\([^=]*\) default=.*/\1/p' "$T/options.source" | tr ' ' '\n' |
    sed 's/^module:$/module:NAME/' >"$T/providers.choices"
compare "providers.c and the choices of oauth2_provider" providers.source providers.choices

# A row is { "service", "cloud", endpoint, endpoint, "tenant", "resource", "scopes", "resource", "servers", "servers", life };
# macros stand for strings, ENDPOINTS for those at a host.  Its item has all these words in .Ql, and no others.
scopes=$(sed -n 's/^#define MICROSOFT_SCOPES "\(.*\)"$/\1/p' credential/service.c)
awk '
/^#define [A-Z_]+ ("[^"]*"|[0-9]+)$/ { name = $2; sub(/^#define [A-Z_]+ /, ""); macro[name] = $0 }
/^static const struct bearer_service services/ { on = 1; next }
on && /^};/ { exit }
on { table = table " " $0 }
END {
    macro["MICROSOFT_SCOPES"] = "" # told once for all
    rows = split(table, row, "}")
    for (i = 1; i < rows; i++) {
        sub(/^[ ,]*[{]/, "", row[i])
        gsub(/ENDPOINTS\(/, "", row[i])
        fields = split(row[i], field, ",")
        key = ""
        for (j = 1; j <= fields; j++) {
            gsub(/^ +|[ )]+$/, "", field[j])
            value = field[j] in macro ? macro[field[j]] : field[j]
            gsub(/"/, "", value)
            if (j <= 2)
                key = key (value == "NULL" ? "" : (key == "" ? "" : " ") value)
            else {
                words = split(value, word, " ")
                for (k = 1; k <= words; k++)
                    if (word[k] !~ /^(NULL|0)$/)
                        print key ": " word[k]
            }
        }
    }
}' credential/service.c >"$T/services.source"
page_section "$CONF" SERVICES | awk '
/^\.It Cm/ { key = $3 ($5 == "" ? "" : " " $5); next }
/^\.El/ { key = "" }
key != "" && /^\.Ql/ {
    for (i = 2; i <= NF; i++)
        if ($i !~ /^[.,;]$/)
            print key ": " $i
}' >"$T/services.page"
compare "services, hosts and resources in sasl.conf(5)" services.source services.page
page_section "$CONF" SERVICES | tr '\n' ' ' | grep -q -F "$scopes" || complain "$CONF: the scopes are not '$scopes'"
checked=$((checked + 1))

# ---- files: what may be done with each stands in PERMISSIONS, and what becomes of it in a jail

# A row is [OPT_X] = { "name", OPT_TYPE_FILE, ...; one of reference.c is { OPT_X, "arrives", "what", rules, one_line, KEEP_X }.
sed -n 's/^ *\[OPT_[A-Z_]*\] = { "\([a-z0-9_]*\)", OPT_TYPE_\(FILE\|KEY\|PATH\),.*/\1/p' credential/options.c >"$T/files.source"
page_section "$CONF" PERMISSIONS | sed -n '/^\.TS/,/^\.TE/s/^\(oauth2_[a-z0-9_]*\).*/\1/p' >"$T/files.page"
compare "files in the table of sasl.conf(5)" files.source files.page
sed -n '/^} references\[\]/,/^};/p' credential/reference.c >"$T/references"
sed -n 's/^ *{ OPT_\([A-Z0-9_]*\),.* KEEP_\([A-Z]*\) },.*/oauth2_\1 \2/p' "$T/references" |
    tr '[:upper:]' '[:lower:]' >"$T/jail.source"
page_section "$CONF" PERMISSIONS | awk '
/^\.It Em/ { keep = /renewer/ ? "not" : /once/ ? "copy" : "open"; next }
/^\.El/ { keep = "" }
keep != "" && /^\.Ic/ { for (i = 2; i <= NF; i++) if ($i ~ /^oauth2_/) print $i, keep }' >"$T/jail.page"
compare "what a jailed program reads, in sasl.conf(5)" jail.source jail.page

# ---- error texts: of each, a source has the format

# Strings that stand side by side are one.  A conversion may come to anything.
for file in credential/*.c; do
    tr '\n' ' ' <"$file" | sed "s/'\"'//g"' ; s/" *"//g' | grep -o '"\([^"\]\|\\.\)*"'
done | tr -d '"' | grep -E '[a-z]+ [a-z]+' | sed 's/[][(){}.*+?^$|]/\\&/g; s/%%/%/g; s/%\(\\\.\\\*\)\{0,1\}[lz]*[sdumi]/.*/g' >"$T/all_formats"
# what is left without conversions must be long enough to mean something
awk '{ bare = $0; gsub(/\.\*/, "", bare) } length(bare) >= 20' "$T/all_formats" >"$T/formats"
awk '/^\.\\" messages/ { on = 1; next } on && /^\.Bd/ { inside = 1; next } /^\.Ed/ { on = inside = 0 } on && inside' "$CONF" |
    sed 's/^\\&//' | awk '/\?$/ && held != "" { print held " " $0; held = ""; next } held != "" { print held } { held = $0 }
END { if (held != "") print held }' >"$T/texts"
[ -s "$T/texts" ] || complain "$CONF: no error texts; has its form changed?"
while read -r text; do
    checked=$((checked + 1))
    printf '%s\n' "$text" | grep -q -E -f "$T/formats" || complain "$CONF: no source says '$text'"
done <"$T/texts"

# ---- samples: whole configurations, which the command accepts

# "USER... NAME=VALUE..." in line 1 of each, then the sample.
awk -v out="$T/sample" '
/^\.\\" sample / { n++; sub(/^\.\\" sample /, ""); print >(out "." n); on = 1; next }
on && /^\.Bd/ { inside = 1; next }
/^\.Ed/ { on = inside = 0 }
on && inside { gsub(/\\e/, "\\"); sub(/^\\&/, ""); print >(out "." n) }' "$CONF"

try_sample() { # FILE TOOL: complains of each user whom it does not cover
    tail -n +2 "$1" >"$T/sample.conf"
    chmod 600 "$T/sample.conf"
    users=''
    variables=''
    for word in $(head -n 1 "$1"); do
        case $word in
            *=*) variables="$variables $word" ;;
            *) users="$users $word" ;;
        esac
    done
    for user in $users; do
        checked=$((checked + 1))
        # shellcheck disable=SC2086 # words
        env -u AZURE_CLIENT_ID -u AZURE_TENANT_ID -u AZURE_FEDERATED_TOKEN_FILE -u AZURE_AUTHORITY_HOST \
            XDG_STATE_HOME="$T/state" $variables "$2" status --user --conf "$T/sample.conf" "$user" >"$T/answer" 2>&1
        case $? in
            0 | 75 | 77) ;; # good, or somebody would have to sign in
            *) complain "$CONF: the sample for '$user' is refused: $(cat "$T/answer")" ;;
        esac
    done
}

samples=0
tool=${top_builddir:-/nonexistent}/sasl-bearer
[ -x "$tool" ] || tool=${bindir:-/nonexistent}/sasl-bearer
if [ -x "$tool" ]; then
    for sample in "$T"/sample.[0-9]*; do
        [ -f "$sample" ] || continue
        samples=$((samples + 1))
        try_sample "$sample" "$tool"
    done
    [ "$samples" -gt 0 ] || complain "$CONF: no samples; has its form changed?"
else
    echo "skipped: the samples of $CONF (neither top_builddir nor bindir has a sasl-bearer)"
fi

# ---- commands

for file in tool/*.c; do
    sed -n '/^const struct command command_/,/^};/p' "$file"
done >"$T/commands.c"
sed -n 's/^ *\.name = "\([^"]*\)".*/\1/p' "$T/commands.c" >"$T/commands.source"
sed -n '/^static const struct command \*const commands/,/};/p' tool/main.c | grep -o 'command_[a-z]*' |
    sed 's/command_//' >"$T/commands.main"
page_section "$TOOL" COMMANDS | sed -n 's/^\.It Ic \([a-z]*\).*/\1/p' >"$T/commands.page"
compare "commands in sasl-bearer(1)" commands.source commands.page
compare "commands in tool/main.c" commands.source commands.main
page_section "$TOOL" SYNOPSIS | sed -n 's/^\.Cm \([a-z]*\)$/\1/p' >"$T/commands.synopsis"
compare "commands in the synopsis of sasl-bearer(1)" commands.source commands.synopsis

# "device ARG_DEVICE", from rows { "device", no_argument, NULL, ARG_DEVICE }
sed -n 's/^ *{ "\([a-z-]*\)", *[a-z_]*_argument, NULL, \([A-Z_]*\) },/\1 \2/p' tool/main.c >"$T/arguments"
grep -e ' OPTION_' -e ' ARG_QUIET$' -e ' ARG_VERBOSE$' "$T/arguments" | sed 's/ .*//' >"$T/general.source"
page_section "$TOOL" OPTIONS | sed -n 's/^\.It Fl -\([a-z-]*\).*/\1/p' >"$T/general.page"
compare "options with every command in sasl-bearer(1)" general.source general.page

# "login device", from .accepts; and what --help tells
awk 'NR == FNR { long[$2] = $1; next }
/\.name = / { split($0, part, "\""); name = part[2] }
/\.accepts = / { on = 1 }
on {
    on = !/,$/
    while (match($0, /ARG_[A-Z_]+/)) {
        print name, long[substr($0, RSTART, RLENGTH)]
        $0 = substr($0, RSTART + RLENGTH)
    }
}
' "$T/arguments" "$T/commands.c" >"$T/accepts.source"
page_section "$TOOL" COMMANDS |
    awk '/^\.It Ic/ { name = $3 } /^\.It Fl -/ { print name, substr($3, 2) }' >"$T/accepts.page"
compare "options of commands in sasl-bearer(1)" accepts.source accepts.page
awk '/\.name = / { split($0, part, "\""); name = part[2] }
match($0, /"  --[a-z-]+/) { print name, substr($0, RSTART + 5, RLENGTH - 5) }' "$T/commands.c" >"$T/accepts.help"
compare "options of commands in --help" accepts.source accepts.help
page_section "$TOOL" SYNOPSIS |
    awk '/^\.Cm/ { name = $2 } { for (i = 1; i <= NF; i++) if ($i ~ /^-[a-z]/) print name, substr($i, 2) }' \
        >"$T/accepts.synopsis"
compare "options of commands in the synopsis of sasl-bearer(1)" accepts.source accepts.synopsis

sed -n 's/^static const struct standing [A-Z_]* = { "\([a-z_]*\)".*/\1/p' tool/status.c >"$T/states.source"
page_section "$TOOL" STATES | sed -n 's/^\.It Cm //p' >"$T/states.page"
compare "states in sasl-bearer(1)" states.source states.page

sed -n '/^} formats\[\]/,/^};/p' tool/token.c | first_strings >"$T/formats.source"
page_section "$TOOL" COMMANDS | sed -n 's/^\.It Cm //p' >"$T/formats.page"
compare "formats in sasl-bearer(1)" formats.source formats.page

# Environment: what any layer looks at.
grep -ho '\(secure_getenv\|xdg\|variable\)("[A-Z_]*")' credential/*.c tool/*.c provider/*.c | sed 's/.*"\(.*\)".*/\1/' |
    grep -v '^HOME$' >"$T/environment.source"
sed -n 's/.* environment=\(.\)/\1/p' "$T/options.source" >>"$T/environment.source"
page_section "$TOOL" ENVIRONMENT | sed -n 's/^\.It Ev //p' | tr -d , | tr ' ' '\n' >"$T/environment.page"
compare "environment in sasl-bearer(1)" environment.source environment.page

# Exit statuses that come of a status of ours.
sed -n '/status_rows\[/,/^};/p' credential/error.c | grep -o 'EX_[A-Z]*' | sort -u |
    sed 's/EX_OK/0/; s/EX_USAGE/64/; s/EX_SOFTWARE/70/; s/EX_TEMPFAIL/75/; s/EX_NOPERM/77/; s/EX_CONFIG/78/' \
        >"$T/exit.source"
page_section "$TOOL" "EXIT STATUS" | sed -n 's/^\.It //p' >"$T/exit.page"
compare "exit statuses in sasl-bearer(1)" exit.source exit.page

# ---- provider.h: every member and constant has its place, and no other is named

tr '\n' ' ' <credential/provider.h | sed 's|/\*[^*]*\*\([^/*][^*]*\*\)*/| |g' | tr -s ' ' >"$T/header"
grep -o 'BEARER_[A-Z_]*' "$T/header" | grep -v -x -e BEARER_PROVIDER_H -e BEARER_STATUS_COUNT >"$T/constants.source"
grep -o 'BEARER_[A-Z_]*' "$PROVIDER" >"$T/constants.page"
compare "constants in sasl-bearer-provider(7)" constants.source constants.page

# Members of each struct: a name before ';', or (*name).
grep -o 'struct bearer_[a-z]* {[^}]*}' "$T/header" | sed 's/^struct \(bearer_[a-z]*\) {/\1;/' |
    awk -F';' '{ for (i = 2; i < NF; i++) {
        member = $i
        if (match(member, /\(\*[a-z_]+\)/)) member = substr(member, RSTART + 2, RLENGTH - 3)
        else sub(/.*[ *]/, "", member)
        print member
    } }' | grep -v '^context$' >"$T/members.source"
sed -n 's/^\.It Va //p; s/^\.Va \([a-z_]*\).*/\1/p' "$PROVIDER" | tr -d , | tr ' ' '\n' |
    grep -v '^bearer_provider$\|^context$' >"$T/members.page"
compare "members of the structures in sasl-bearer-provider(7)" members.source members.page

# What sasl.conf refers to arrives under these names.
sed -n 's/^ *{ OPT_[A-Z0-9_]*, "\([a-z0-9_]*\)",.*/\1/p; s/^ *{ \(OPT_[A-Z0-9_]*\), NULL,.*/\1/p' "$T/references" |
    sed 's/^OPT_/oauth2_/' | tr '[:upper:]' '[:lower:]' >"$T/arrives.source"
page_section "$PROVIDER" "THE REQUEST" | awk '/^\.Ss/ { on = /What arrives/ } on && /^\.It Cm/' | grep -o 'oauth2_[a-z0-9_]*' \
    >"$T/arrives.page"
compare "options as they arrive, in sasl-bearer-provider(7)" arrives.source arrives.page

# ---- completions: the options of each command, and no others

while read -r command; do
    sed "/^version\$/d; s/^/$command /" "$T/general.source"
done <"$T/commands.source" | cat - "$T/accepts.source" >"$T/completed.source"
for command in $(cat "$T/commands.source"); do
    # shellcheck disable=SC2016 # bash's
    bash -c '. contrib/completion/sasl-bearer.bash && _sasl_bearer_options "$1"' bash "$command" | grep -o -e '--[a-z-]*' |
        sed "s/^--/$command /"
done >"$T/completed.bash"
compare "options in the completion for bash" completed.source completed.bash

# An entry of _arguments begins '--NAME or '*--NAME; a command's are behind "NAME)".
awk -v commands="$(tr '\n' ' ' <"$T/commands.source")" 'BEGIN { count = split(commands, command, " ") }
function options(to, line) {
    while (match(line, /[\047"*]--[a-z-]+/)) {
        found[to] = found[to] " " substr(line, RSTART + 3, RLENGTH - 3)
        line = substr(line, RSTART + RLENGTH)
    }
}
/^    general=\(/ { to = "general" }
/^    [a-z]+\) / { to = substr($1, 1, length($1) - 1) }
to != "" { options(to, $0) }
/;;|^    \)/ { to = "" }
END {
    for (i = 1; i <= count; i++) {
        n = split(found["general"] found[command[i]], name, " ")
        for (j = 1; j <= n; j++)
            print command[i], name[j]
    }
}' contrib/completion/_sasl-bearer >"$T/completed.zsh"
compare "options in the completion for zsh" completed.source completed.zsh

# A line is of some commands, "-n '__fish_seen_subcommand_from NAME...'", or of all.
awk -v commands="$(tr '\n' ' ' <"$T/commands.source")" '
/^complete / && match($0, / -l [a-z-]+/) {
    name = substr($0, RSTART + 4, RLENGTH - 4)
    of = commands
    if (match($0, /from [a-z ]+\047/))
        of = substr($0, RSTART + 5, RLENGTH - 6)
    n = split(of, command, " ")
    for (i = 1; name != "version" && i <= n; i++)
        print command[i], name
}' contrib/completion/sasl-bearer.fish >"$T/completed.fish"
compare "options in the completion for fish" completed.source completed.fish

# ---- the example is a provider

checked=$((checked + 1))
mkdir "$T/include"
ln -s "$PWD/credential" "$T/include/sasl-bearer"
sed -n '/^\/\* example\.c/,/^\.Ed/p' "$PROVIDER" | sed '/^\.Ed/d; s/\\e/\\/g' >"$T/example.c"
: "${CC:=cc}"
if command -v "${CC%% *}" >/dev/null 2>&1; then
    # shellcheck disable=SC2086 # CC may hold options
    $CC -D_GNU_SOURCE -Wall -Wextra -Werror -fPIC -I"$T/include" -c -o "$T/example.o" "$T/example.c" ||
        complain "$PROVIDER: the example does not compile"
else
    echo "skipped: the example of $PROVIDER (no C compiler)"
fi

# ---- everywhere: options, commands, links, width

# The pages a user reads, wherever they stand; the tests' own are about other things.
find . -name '*.md' ! -path './tests/*' ! -path '*/sasl-bearer-[0-9]*' | sed 's|^\./||' | sort >"$T/guides"
for file in $(cat "$T/guides") NEWS "$CONF" "$TOOL" "$PROVIDER"; do
    checked=$((checked + 1))
    grep -o 'oauth2_[a-z_]*' "$file" | sort -u >"$T/named"
    while read -r option; do
        # a sample of a mistake is no option
        [ "$option" = oauth2_tenent ] || grep -q "^$option " "$T/options.source" ||
            { [ "$file" = "$PROVIDER" ] && grep -q -x "$option" "$T/arrives.source"; } ||
            complain "$file: there is no option $option"
    done <"$T/named"
    sed -n -e 's/.*`sasl-bearer \([a-z]*\).*/\1/p' -e 's/^\.Ql sasl-bearer \([a-z]*\).*/\1/p' \
        -e 's/^    [# $]*sasl-bearer \([a-z]*\).*/\1/p' -e 's/^[#$] sasl-bearer \([a-z]*\).*/\1/p' "$file" |
        sort -u >"$T/named"
    while read -r command; do
        [ -z "$command" ] || grep -q "^$command$" "$T/commands.source" || complain "$file: there is no command $command"
    done <"$T/named"
    # characters, not bytes: UTF-8's continuation bytes do not count; a very long word cannot be broken
    awk -v width="$WIDTH" '{ line = $0; gsub(/[\200-\277]/, "", line); longest = 0 }
        length(line) > width { for (i = 1; i <= NF; i++) if (length($i) > longest) longest = length($i) }
        length(line) > width && longest < 90 { print FILENAME ":" FNR ": longer than " width }' "$file" >"$T/wide"
    while read -r line; do complain "$line"; done <"$T/wide"
done

anchors() { # FILE: the anchors of its headings, as GitHub and others make them
    sed -n 's/^#\{1,6\} *//p' "$1" | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9_\n-'
}
find . -name '*.md' ! -path '*/sasl-bearer-[0-9]*' | sort >"$T/markdown"
while read -r file; do
    checked=$((checked + 1))
    grep -o '](\([^)]*\))' "$file" | sed 's/^](//; s/)$//' >"$T/all_links"
    sed -n 's/^\[[^]]*\]: *//p' "$file" >>"$T/all_links"
    grep -v '^[a-z]*:' "$T/all_links" >"$T/links"
    while read -r link; do
        target=${link%%#*}
        [ -n "$target" ] && target=${file%/*}/$target || target=$file
        if [ ! -e "$target" ]; then
            complain "$file: the link $link leads nowhere"
        elif [ "$link" != "${link#*#}" ] && ! anchors "$target" | grep -q -x -e "${link#*#}"; then
            complain "$file: the link $link leads to no heading"
        fi
    done <"$T/links"
done <"$T/markdown"

# ---- blocks that a test runs as they stand

# A page says <!-- SCRIPT runs this one: NAME -->, the script page_block PAGE NAME.
grep -ho '^<!-- [^ ]* runs this one: [^ ]* -->$' doc/*.md | sed 's/^<!-- //; s/ -->$//; s/ runs this one: / /' >"$T/marked"
while read -r script name; do
    checked=$((checked + 1))
    if [ ! -x "$script" ]; then
        complain "a page names $script, which is no test"
    elif ! grep -qwF -e "$name" "$script"; then
        complain "$script does not run the block $name of its page"
    fi
done <"$T/marked"
sed -n 's/^\(tests\/recipes\/[^ ]*\) .*/\1/p' "$T/marked" >"$T/recipes_marked"
find tests/recipes -name '*.sh' -perm -u+x >"$T/recipes"
compare "recipes" recipes recipes_marked

# ---- the manual pages as such

if command -v mandoc >/dev/null 2>&1; then
    for page in "$CONF" "$TOOL" "$PROVIDER"; do
        checked=$((checked + 1))
        mandoc -Tlint -W warning "$page" >"$T/lint" 2>&1 || complain "$page: $(cat "$T/lint")"
    done
else
    echo "skipped: the form of the manual pages (no mandoc)"
fi

echo "$checked checks, $failed complaints"
[ "$failed" -eq 0 ]
