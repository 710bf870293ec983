#!/bin/sh
# doc/containers.md without a container engine: the page's image is this machine's file system, read-only, with the page's
# files in it; what its podman run mounts is mounted, and nothing else can be written; its capabilities are all there are.

# Mounts are made in a mount namespace of our own.
if [ -z "${PRIVATE_MOUNTS:-}" ]; then
    unshare -m -p -f true 2>/dev/null || { echo "skipped: no mount and process namespaces here"; exit 77; }
    PRIVATE_MOUNTS=yes exec unshare -m sh "$0" "$@"
fi
if [ -n "${SANITIZER:-}" ]; then
    echo "skipped: the image's stock Postfix does not preload a sanitizer's library"
    exit 77
fi
. "${0%/*}/../integration/lib.sh"

B=bob@fabrikam.com

# block NAME: that block of the page, for our server.
block() {
    page_block containers.md "$1" | sed "s|\(smtp\.office365\.com\]\):587|\1:$SMTPD_PORT|"
}

# account: the page's sasl.conf, with the emulator's endpoint and application in place of Microsoft's.
account() {
    block account | sed "s|^oauth2_client_id: .*|oauth2_client_id: $APP_ONLY_CLIENT|"
    echo "oauth2_token_endpoint: $AUTHORITY/contoso.onmicrosoft.com/oauth2/v2.0/token"
}

# ---- the image

# image: what the page's Dockerfile makes of the distribution, as far as this machine's differs from that.
image() {
    mkdir "$S/image" "$S/sasl"
    cp -a /etc "$S/image/etc"
    mkdir -p "$S/image/etc/sasl2"
    : >"$S/image/etc/sasl2/sasl.conf"
    cp -L "$SASL_PATH"/*.so "$S/sasl/"
    printf '127.0.0.1 localhost\n127.0.0.1 smtp.office365.com\n' >"$S/image/etc/hosts"
    cat "$CA" >"$S/image/etc/ssl/certs/ca-certificates.crt"
    for file in main.cf sasl_passwd; do
        block $file >"$S/image/etc/postfix/$file"
    done
    # what keeps it on this machine
    printf '%s\n' 'smtp_host_lookup = native' 'smtp_bind_address = 127.0.0.1' 'inet_interfaces = 127.0.0.1' \
        'inet_protocols = ipv4' 'myhostname = relay.fixture.test' >>"$S/image/etc/postfix/main.cf"
    cp /usr/share/postfix/master.cf.dist "$S/image/etc/postfix/master.cf"
    block dockerfile | sed -n "s|^RUN \(postconf .*\)|\1|p" >"$S/image/run.sh"
    grep -q . "$S/image/run.sh" && MAIL_CONFIG=$S/image/etc/postfix sh -e "$S/image/run.sh"
}

# ---- containers

# options_of_run: the options of the page's podman run, one a line.
options_of_run() {
    block run | sed 's/\\$//' | tr -s ' \n' '  ' | sed 's/.*podman run//; s/ -/\n-/g; s/ *$//'
}

# container NAME TOKENS: a root directory in $S/NAME, as the page's options make it, with that directory as the volume of
# tokens ("" = none).  Its other volumes are new.  $S/NAME/enter COMMAND... runs a command there, with the page's
# capabilities and a clean environment.
container() {
    container_root=$S/$1/root
    mkdir -p "$container_root" "$S/$1/volumes"
    mount --bind / "$container_root" && mount --bind "$S/image/etc" "$container_root/etc" || return
    options_of_run >"$S/$1/options"
    capabilities=$(sed -n 's/^--cap-add //p' "$S/$1/options" | sed 's/,/,+/g; s/^/-all,+/')
    echo "exec chroot $container_root setpriv --bounding-set=$capabilities --inh-caps=-all" \
        "env -i PATH=$bindir:/usr/sbin:/usr/bin:/sbin:/bin \"\$@\"" >"$S/$1/enter"
    # /tmp first: what the world outside has there is mounted into it.
    sed -n 's/^--tmpfs //p' "$S/$1/options" | while read -r place; do
        mount -t tmpfs -o mode=1777 none "$container_root$place" || exit
    done || return
    reachable "$container_root" && volumes "$1" "$2" || return
    if grep -qx -e --read-only "$S/$1/options"; then
        mount -o remount,bind,ro "$container_root" && mount -o remount,bind,ro "$container_root/etc"
    fi
}

# reachable ROOT: the installed program, at its place, and the plugin where libsasl2 looks.
reachable() {
    for place in "${bindir%/*}" "$saslplugindir"; do
        mkdir -p "$1$place" 2>/dev/null
        mount --bind "$place" "$1$place" && mount -o remount,bind,ro "$1$place" || return
    done
    place=$(pkg-config --variable=libdir libsasl2)/sasl2
    mount --bind "$S/sasl" "$1$place" && mount -o remount,bind,ro "$1$place"
    mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev"
}

# volumes NAME TOKENS: the page's -v and --secret.  A named volume begins with what the image has there.
volumes() {
    sed -n 's/^-v \([^:]*\):\([^:]*\).*/\1 \2/p' "$S/$1/options" >"$S/$1/mounts"
    while read -r source place; do
        case $source in
        ./sasl.conf) source=$SASL_CONF_PATH/sasl.conf ;;
        tokens) [ -n "$2" ] || continue; source=$2 ;;
        *) cp -a "$place" "$S/$1/volumes/$source" && source=$S/$1/volumes/$source ;;
        esac
        mount_point "$1" "$source" "$place" && mount --bind "$source" "$container_root$place" || return
    done <"$S/$1/mounts"
    rm -rf "$S/$1/volumes/queue"/*
    # Docker and Podman mount each secret there.
    secret=$(sed -n 's/^--secret \([a-z]*\),mode=0400$/\1/p' "$S/$1/options")
    mount -t tmpfs -o mode=755 none "$container_root/run" && mkdir -p "$container_root/run/secrets" &&
        touch "$container_root/run/secrets/$secret" && mount --bind "$S/secret" "$container_root/run/secrets/$secret" &&
        mount -o remount,ro "$container_root/run"
}

# mount_point NAME SOURCE PLACE: the container engine makes it.  Where the image is this machine, nothing is made for good.
mount_point() {
    case $3 in
    /var/lib/sasl-bearer)
        # beside what must be there of /var/lib
        mkdir -p "$S/$1/lib" && for known in /var/lib/*; do mkdir -p "$S/$1/lib/${known##*/}"; done
        mkdir -p "$S/$1/lib/sasl-bearer"
        mount --bind "$S/$1/lib" "$S/$1/root/var/lib" && mount -o remount,bind,ro "$S/$1/root/var/lib" ;;
    esac
    test -e "$S/$1/root$3"
}

# inside NAME COMMAND...: as in a container of its own with the same mounts.
inside() {
    inside_name=$1
    shift
    sh "$S/$inside_name/enter" "$@"
}

# relay_run NAME: its Postfix starts, as process 1.
relay_run() {
    port=$(mail_port "$S/$1")
    sed "s/^smtp  *inet/127.0.0.1:$port inet/" "$S/image/etc/postfix/master.cf" >"$S/$1/master.cf"
    mount --bind "$S/$1/master.cf" "$S/$1/root/etc/postfix/master.cf" || return
    command=$(block dockerfile | sed -n 's/^CMD \[\(.*\)\]$/\1/p' | tr -d '",')
    # shellcheck disable=SC2016,SC2086 # for the other shell; a list
    unshare -p -f --kill-child sh -c 'mount -t proc proc "$0/root/proc" && exec sh "$0/enter" "$@"' "$S/$1" $command \
        </dev/null >"$S/$1/mail.log" 2>&1 &
    echo $! >"$S/$1/pid"
    relays="${relays:-} $1"
    wait_for 20 port_greets "$port" 220
}

# first_process NAME: prints the number that its process 1 has outside.
first_process() {
    pgrep -P "$(cat "$S/$1/pid")"
}

# relay_exec NAME COMMAND...: what podman exec does.
relay_exec() {
    relay_exec_name=$1
    shift
    nsenter --pid --target "$(first_process "$relay_exec_name")" sh "$S/$relay_exec_name/enter" "$@"
}

# containers_stop: all of them; what they wrote stays.
containers_stop() {
    for name in ${relays:-}; do
        process_stop "$(first_process "$name")" master
        mail_ports_release "$S/$name"
    done
    relays=
    umount -l -R "$S"/*/root 2>/dev/null
}

# sent NAME FROM: a mail from there goes out.
sent() {
    id=$(mktemp -u XXXXXXXXXXXXXXXX)@send.fixture.test
    mail_message "$2" alice@contoso.com test "$id" |
        chroot "$S/$1/root" /usr/sbin/sendmail -f "$2" alice@contoso.com || return
    wait_for 20 grep -qF "message-id=<$id>" "$S/$1/mail.log" || return
    id=$(sed -n "s/.* postfix\/cleanup\[[0-9]*\]: \([0-9A-Za-z]*\): message-id=<$id>.*/\1/p" "$S/$1/mail.log")
    outcome=$(postfix_outcome "$S/$1" "$id")
    equals sent "$outcome" || { cat "$S/$1/mail.log"; return 1; }
}

# closed NAME: nothing can be written there but to the volumes and /tmp.
closed() {
    for place in / /etc /etc/postfix /etc/sasl2 /usr/bin /var/lib /var/log /run; do
        if inside "$1" touch "$place/new" 2>/dev/null; then
            echo "$place can be written"
            return 1
        fi
    done
}

# ---- the page against the tree

# packages_known: the page builds with what the tests build with.
packages_known() {
    block dockerfile | sed -n '/^FROM .* AS build/,/^ADD/p' | grep -o 'lib[a-z0-9+-]*-dev' >"$S/needed"
    for package in $(cat "$S/needed"); do
        grep -qw -e "$package" "$top_srcdir/tests/packages" || { echo "tests/packages has no $package"; return 1; }
    done
}

# libraries_there: each library that what we install needs is of a package in the page's image, or of one that it needs.
libraries_there() {
    block dockerfile | sed '1,/^FROM.*slim$/d' | tr -d '\\' | tr ' ' '\n' >"$S/words"
    readelf -d "$bindir/sasl-bearer" "$saslplugindir/libsaslbearer.so" \
        "${pkglibdir:-${bindir%/bin}/lib/sasl-bearer}"/providers/*.so |
        sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | sort -u | while read -r library; do
        file=$(ldconfig -p | awk -v name="$library" '$1 == name { print $NF; exit }')
        package=$(dpkg -S "$(realpath "$file")" | cut -d: -f1)
        case $package in
        libc6 | libsasl2-2 | libssl3) ;; # of every image; of Postfix'
        *) grep -qx -e "$package" "$S/words" || { echo "the image has no $package, for $library"; exit 1; } ;;
        esac
    done
}

configure_known() {
    for option in $(block dockerfile | grep -o -e '--[a-z]*=/[a-z]*' | sed 's/=.*//'); do
        "$top_srcdir/configure" --help | grep -q -e "$option=" || { echo "configure has no $option"; return 1; }
    done
}

# manifest_true: the Deployment mounts what podman run does, closes the secret, and runs commands of ours.
manifest_true() {
    block kubernetes >"$S/manifest.yaml"
    options_of_run >"$S/run.options"
    python3 - "$S/manifest.yaml" "$S/run.options" <<'END'
import sys, yaml

manifest, options = yaml.safe_load(open(sys.argv[1])), open(sys.argv[2]).read().splitlines()
pod = manifest["spec"]["template"]["spec"]
relay, renewer = pod["containers"]
wanted = {option.split(":")[1] for option in options if option.startswith("-v ")}
wanted |= {option.split()[1] for option in options if option.startswith("--tmpfs ")}
assert wanted | {"/run/secrets"} == {mount["mountPath"] for mount in relay["volumeMounts"]}, wanted
assert {mount["name"] for mount in relay["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
assert [v["secret"]["defaultMode"] for v in pod["volumes"] if "secret" in v] == [0o400]
context = relay["securityContext"]
assert context["readOnlyRootFilesystem"] and context["capabilities"]["drop"] == ["ALL"]
added = next(o for o in options if o.startswith("--cap-add ")).split()[1]
assert ",".join(context["capabilities"]["add"]).lower() == added, added
assert renewer["command"] == "sasl-bearer renew --all --watch".split()
assert relay["readinessProbe"]["exec"]["command"] == ["sasl-bearer", "status"]
END
}

integration_begin
trap 'containers_stop; integration_clean' EXIT
PATH=$bindir:$PATH
entra_start
imap_start
python3 "$top_srcdir/tests/entra/entra.py" --issue "$entra" smtp.office365.com
fixture postfix_server_start "$S/smtpd" "$entra/smtp.office365.com.pem" "$entra/smtp.office365.com.key" \
    "$DOVECOT_AUTH_SOCKET" "$DOVECOT_STORE"

check "the page's packages are those that building needs" packages_known
check "and those that running needs" libraries_there
check "its options of configure exist" configure_known
if python3 -c 'import yaml' 2>/dev/null; then
    check "its Deployment is the same as its podman run" manifest_true
else
    echo "skipped: the Deployment (no PyYAML here)"
fi

# ---- one container

fixture image
{
    echo 'oauth2_token_store: /var/lib/sasl-bearer' # where the page's build has it
    account
    section_delegated "$B" fabrikam.com
} >"$S/page.conf"
sasl_conf_now() {
    cat "$S/page.conf" >"$SASL_CONF_PATH/sasl.conf"
}
sasl_conf_now
fixture container relay "$STORE"
check "nothing but the volumes can be written" closed relay
fixture relay_run relay
check "Postfix sends mail, with a token" sent relay relay@contoso.com
check "the token is on the volume" test -s "$(token_file app_only '*@contoso.com')"
check "the server knows who it was" grep -q 'sasl_method=XOAUTH2, sasl_username=relay@contoso.com' "$SMTPD_HOME/mail.log"
run inside relay sasl-bearer status relay@contoso.com
check "it is healthy" equals 0 "$STATUS"

# ---- a second one, with the same volume

fixture container second "$STORE"
fixture relay_run second
check "another one sends, too" sent second relay@contoso.com
check "with the same token" equals 1 "$(counter token.client_credentials)"

# ---- people

refresh_token $B >"$S/secret-refresh"
# shellcheck disable=SC2046 # a command
run inside second $(block login) <"$S/secret-refresh"
check "bob signs in from another container" equals "0 " "$STATUS $ERR"
run inside relay sasl-bearer status $B
check "which the first one knows" says ' ok: ' "$OUT"
check "Postfix reloads there" relay_exec relay postfix reload
check "and goes on" sent relay relay@contoso.com

# ---- looking after it

rm "$STORE"/app_only-*
# shellcheck disable=SC2046 # a command
inside second $(block watch) >"$S/watch.out" 2>&1 &
watch_pid=$!
renewed() {
    inside relay sasl-bearer status relay@contoso.com | grep -q ' ok: '
}
check "the renewer fetches tokens without anybody's asking" wait_for 20 renewed
{ kill $watch_pid && wait $watch_pid; } 2>/dev/null
echo wrong >"$S/secret"
run inside second sasl-bearer renew relay@contoso.com
run inside second sasl-bearer status relay@contoso.com
check "when somebody is needed, the health check says so" equals 77 "$STATUS"
secret_file app_only_client_secret >"$S/secret"
chmod 444 "$S/secret"
run inside second sasl-bearer renew relay@contoso.com
check "a secret as Compose and Kubernetes hand it over is refused" remark 78 "holds a secret and anyone can read it"
chmod 400 "$S/secret"
run inside second sasl-bearer renew relay@contoso.com
check "mode 0400 will do" equals 0 "$STATUS"

# ---- a directory that anybody may write

mkdir -m 777 "$S/emptydir"
fixture container bare "$S/emptydir"
run inside bare sasl-bearer login --with-refresh-token $B <"$S/secret-refresh"
check "a volume that anybody may write is refused" remark 75 "chmod go-w '/var/lib/sasl-bearer'"
sed -i "s|^oauth2_token_store:.*|$(block below)|" "$S/page.conf"
sasl_conf_now
run inside bare sasl-bearer login --with-refresh-token $B <"$S/secret-refresh"
check "one below it is made as it should be" equals "0 700" "$STATUS $(stat -c %a "$S/emptydir/tokens")"

# ---- no volume for tokens

sed -i "s|^oauth2_token_store:.*|$(block none)|" "$S/page.conf"
sasl_conf_now
fixture container none ''
fixture relay_run none
check "without a volume for tokens mail goes out" sent none relay@contoso.com
check "and nothing complains" fails 1 postfix_complaints "$S/none"
containers_stop
integration_end
