# mailbox.sh - look into Maildirs and put mail there.  To be sourced, see README.md.
# STORE is $DOVECOT_STORE, USER an address such as alice@contoso.com.

# mailbox_path STORE USER: print the Maildir's name.
mailbox_path() (
    user=$(printf '%s' "$2" | tr '[:upper:]' '[:lower:]')
    printf '%s/%s/%s/Maildir\n' "$1" "${user##*@}" "${user%@*}"
)

# mailbox_files STORE USER: print the messages' file names, oldest first.
mailbox_files() (
    maildir=$(mailbox_path "$1" "$2")
    [ -d "$maildir" ] || exit 0
    find "$maildir/new" "$maildir/cur" -type f -printf '%T@ %p\n' | sort -n | cut -d' ' -f2-
)

# mailbox_count STORE USER
mailbox_count() {
    mailbox_files "$1" "$2" | wc -l
}

# mailbox_has STORE USER COUNT: for wait_for.
mailbox_has() {
    [ "$(mailbox_count "$1" "$2")" -ge "$3" ]
}

# mailbox_read STORE USER [NUMBER]: print message NUMBER (the oldest is 1), or the last one.
mailbox_read() (
    file=$(mailbox_files "$1" "$2" | sed -n "${3:-\$}p")
    if [ -z "$file" ]; then
        echo "'$2' has no message ${3:-}" >&2
        exit 1
    fi
    cat "$file"
)

# mailbox_create STORE USER
mailbox_create() (
    cd "$1" && maildir=$(mailbox_path . "$2") || exit 1
    mkdir -p "$maildir/tmp" "$maildir/new" "$maildir/cur" &&
        chown -R "$MAIL_UID:$MAIL_UID" "${maildir%/*/*}"
)

# mailbox_deliver STORE USER [SUBJECT]: put a mail there, without any server.
mailbox_deliver() (
    mailbox_create "$1" "$2" || exit 1
    maildir=$(mailbox_path "$1" "$2")
    file=$(mktemp "$maildir/tmp/XXXXXXXXXX") || exit 1
    mail_message sample@fixture.test "$2" "${3:-sample}" "${file##*/}@fixture.test" >"$file" &&
        chmod 600 "$file" && chown "$MAIL_UID:$MAIL_UID" "$file" &&
        mv "$file" "$maildir/new/$(date +%s).${file##*/}.fixture"
)

# mail_message FROM TO SUBJECT MESSAGE-ID: print a small mail.
mail_message() {
    printf 'From: %s\nTo: %s\nSubject: %s\nMessage-ID: <%s>\n\nHello.\n' "$1" "$2" "$3" "$4"
}
