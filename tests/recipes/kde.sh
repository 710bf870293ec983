#!/bin/sh
# KDE's library for sending loads the plugin, and gets its login also where KDE's own XOAUTH2 plugin is.
. "${0%/*}/../integration/lib.sh"
. "${0%/*}/programs.sh"

KSMTP=/usr/include/KPim/KSMTP

build() {
    block login >"$S/login.inc"
    # shellcheck disable=SC2046 # lists
    g++ -fPIC -Wall -o "$S/kde_send" "$top_srcdir/tests/recipes/kde_send.cpp" \
        -I"$S" -I$KSMTP -I/usr/include/KF5/KCoreAddons \
        $(pkg-config --cflags --libs Qt5Core Qt5Network) -lKPimSMTP -lKF5CoreAddons
}

# goes_out SUBJECT
goes_out() {
    mail_message "$B" "$A" "$1" "$$@fabrikam.com" >"$S/mail.eml"
    with_plugin timeout "$SECONDS_MAX" "$S/kde_send" localhost "$SMTPD_PORT" "$B" "$A" <"$S/mail.eml" 2>&1
}

needs 'libkpimsmtp-dev and g++' sh -c "test -d $KSMTP && command -v g++"
programs_begin
XDG_RUNTIME_DIR=$S/run
export XDG_RUNTIME_DIR
mkdir -m 700 "$XDG_RUNTIME_DIR"
fixture build
check "a server that takes long lines" long_lines
check "a mail goes out" goes_out 'hello from KDE'
check "and arrives" arrived 'hello from KDE'

# KDE_PLUGIN may say where it was unpacked.
own_plugin=${KDE_PLUGIN:-$(pkg-config --variable=libdir libsasl2)/sasl2/libkdexoauth2.so}
if [ -f "$own_plugin" ]; then
    mkdir "$S/kde"
    ln -s "$own_plugin" "$S/kde/"
    ours_alone=$SASL_PATH
    for SASL_PATH in "$S/kde:$ours_alone" "$ours_alone:$S/kde"; do
        check "KDE's own plugin does not get in the way" goes_out 'hello beside KDE'
    done
else
    echo "skipped: KDE's own plugin (needs libsasl2-modules-kdexoauth2)"
fi
sasl_bearer logout "$B" >"$S/logout.out"
check "who has not signed in is told so" told_to_fail "$NOT_SIGNED_IN" goes_out 'never'
integration_end
