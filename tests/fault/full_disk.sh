#!/bin/sh
# The token store on a full disk: full from the start, and filling up later; on a small tmpfs, and on each file system that can
# be made and mounted here.  What cannot is passed over with a reason.
. "${0%/*}/../integration/lib.sh"
integration_dir=$top_srcdir/tests/integration

B=bob@fabrikam.com
A='*@contoso.com'

conf() {
    {
        section_app_only "$A"
        section_delegated '*@fabrikam.com' fabrikam.com
    } | sasl_conf
}

# fill DIRECTORY: not a byte is left.
fill() {
    for fill_size in 1M 64k 4k 512; do
        dd if=/dev/zero bs=$fill_size of="$1/fill-$fill_size" 2>/dev/null
    done
    sync -f "$1"
    for fill_size in 64k 4k 512; do
        dd if=/dev/zero bs=$fill_size of="$1/fill-again-$fill_size" 2>/dev/null
    done
    ! dd if=/dev/zero bs=4k count=16 of="$1/fill-last" 2>/dev/null
}

# mounted NAME: makes the file system at $S/disk/NAME; false with a reason in $reason.
mounted() {
    disk=$S/disk/$1
    mkdir -p "$disk"
    reason=
    case $1 in
    tmpfs)
        mount -t tmpfs -o size=2m,mode=700 tmpfs "$disk" 2>"$S/mount.err" || reason=$(cat "$S/mount.err")
        ;;
    *)
        case $1 in
        ext4) disk_size=16M; disk_options='-q -F -m 0' ;;
        xfs) disk_size=300M; disk_options='-q -f' ;;
        btrfs) disk_size=128M; disk_options='-q -f' ;;
        esac
        if ! command -v "mkfs.$1" >/dev/null; then
            reason="there is no mkfs.$1"
        elif ! truncate -s "$disk_size" "$S/disk/secret-$1.image" ||
            ! "mkfs.$1" $disk_options "$S/disk/secret-$1.image" >"$S/mount.err" 2>&1 ||
            ! mount -o loop "$S/disk/secret-$1.image" "$disk" 2>"$S/mount.err"; then
            reason=$(cat "$S/mount.err")
        fi
        ;;
    esac
    [ -z "$reason" ]
}

disks_clean() {
    for disk in "$S"/disk/*/; do
        umount "$disk" 2>/dev/null || umount -l "$disk" 2>/dev/null
    done
    integration_clean
}

token() {
    run sasl_bearer token "$@"
}

# newest_is TOKEN USER: that is what a new process finds, without asking for one.
newest_is() {
    control counters/reset '{}' >/dev/null
    token "$2"
    equals "0 $1" "$STATUS $OUT" && equals 0 "$(counter token.refresh_token)"
}

# full_from_the_start: nothing can be made on it.
full_from_the_start() {
    STORE=$disk/store
    mkdir -m 700 "$STORE"
    conf
    fixture fill "$disk"
    refresh_token $B >"$S/secret-refresh"
    run sasl_bearer login --with-refresh-token $B <"$S/secret-refresh"
    if [ "$STATUS" -eq 0 ]; then # room for metadata is enough for a small file on some
        echo "# $1: there was room for one more file"
    else
        check "$1, full: a sign-in says which file, and why" remark 75 "token file '$(token_file $B)': No space left on device"
    fi
    token box1@contoso.com
    check "$1, full: an application has its token" test "$STATUS" -eq 0 -a "${#OUT}" -gt 1000
    for file in "$STORE"/*; do
        [ ! -e "$file" ] || check "$1, full: no half-made file is left" test "$(stat -c %s "$file")" -ge 81920
    done
    rm -rf "$disk"/fill* "$STORE"
    sync -f "$disk"
}

# filling_up: what is there already can be renewed.
filling_up() {
    mkdir -m 700 "$STORE"
    sign_in $B
    token $B
    first=$OUT
    fixture fill "$disk"
    for round in 1 2 3; do
        token --renew $B
        if [ "$1" = btrfs ]; then
            check "$1, filling up: the token is used, $round" test "$STATUS" -eq 0 -a "${#OUT}" -gt 1000
            continue
        fi
        check "$1, filling up: renewal $round goes as ever" equals "0 " "$STATUS $ERR"
        check "$1, filling up: with a new token, $round" test "$OUT" != "$first"
        first=$OUT
        check "$1, filling up: which is stored, $round" newest_is "$first" $B
    done
    run sasl_bearer status $B
    check "$1, filling up: the sign-in is kept" says_not not_signed_in "$OUT"
    rm -f "$disk"/fill*
    sync -f "$disk"
    token --renew $B
    check "$1, with room again: as ever" equals "0 " "$STATUS $ERR"
    check "$1, with room again: it is stored" newest_is "$OUT" $B
    token box1@contoso.com
    check "$1, with room again: an application's token is stored" test "$STATUS" -eq 0 -a -s "$(token_file app_only "$A")"
}

integration_begin
trap 'disks_clean' EXIT
entra_start
disks=0
for name in tmpfs ext4 xfs btrfs; do
    if mounted $name; then
        disks=$((disks + 1))
        full_from_the_start $name
        filling_up $name
        umount "$disk"
    else
        echo "# $name: passed over: $reason"
    fi
done
if [ "$disks" -eq 0 ]; then
    echo "no file system can be mounted here"
    exit 77
fi
integration_end
