#!/bin/sh
# What libsasl2 loads into every program exports one name and needs libc alone; a provider module exports one name.
set -u
: "${top_srcdir:?}" "${top_builddir:?}"
failed=0

# exports FILE NAME: FILE defines NAME for others, and nothing else.
exports() {
    found=$(nm -D --defined-only "$1" | awk '{ print $3 }' | grep -v "^__" | sort | tr "\n" " ")
    if [ "$found" != "$2 " ]; then
        echo "$1 exports '$found', it should export '$2'"
        failed=1
    fi
}

# needs FILE LIBRARY...: FILE needs no other library than these, libc and the loader.
needs() {
    file=$1
    shift
    for library in $(objdump -p "$file" | awk '$1 == "NEEDED" { print $2 }'); do
        case " $* libc.so ld-linux " in
        *" ${library%%.so*} "* | *" ${library%%.so*}.so "*) ;;
        *)
            case $library in
            ld-linux*) ;;
            libasan* | libubsan* | liblsan*) ;; # a sanitizer's build
            libm.so* | libgcc_s.so*) objdump -p "$file" | grep -q 'libasan\|libubsan' || failed=1 ;;
            *) echo "$file needs $library"; failed=1 ;;
            esac
            ;;
        esac
    done
}

plugin=$top_builddir/.libs/libsaslbearer.so
exports "$plugin" sasl_client_plug_init
needs "$plugin"
for provider in delegated app_only managed_identity command file password_field; do
    exports "$top_builddir/.libs/$provider.so" bearer_provider
done
needs "$top_builddir/.libs/delegated.so" libcurl libjansson libcrypto
needs "$top_builddir/.libs/app_only.so" libcurl libjansson libcrypto
needs "$top_builddir/.libs/managed_identity.so" libcurl libjansson
needs "$top_builddir/.libs/command.so" libjansson
needs "$top_builddir/.libs/file.so" libjansson
needs "$top_builddir/.libs/password_field.so" libcurl libjansson

# Nothing in the plugin may end, print from, or otherwise disturb its host.
for name in exit _exit abort printf puts perror signal setlocale chdir fchdir chroot setenv putenv unsetenv \
    pthread_create system popen atexit; do
    if nm -D --undefined-only "$plugin" | awk '{ sub(/@.*/, "", $2); print $2 }' | grep -qx "$name"; then
        echo "$plugin calls $name"
        failed=1
    fi
done
# A handler may be asked for, never set.
if grep -n 'sigaction(' "$top_srcdir"/plugin/*.c "$top_srcdir"/credential/*.c | grep -v 'sigaction([a-z]*, NULL, '; then
    echo "a signal's handler is set"
    failed=1
fi
exit "$failed"
