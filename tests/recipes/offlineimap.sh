#!/bin/sh
# OfflineIMAP as doc/desktop.md has it: through the pipe.
. "${0%/*}/../integration/lib.sh"
# shellcheck source=/dev/null
. "${0%/*}/desktop.sh"

fetched() {
    bounded offlineimap -o -u basic </dev/null 2>&1 && holds 'of bob' "$HOME/mail/fabrikam"
}

desktop_begin
mkdir "$HOME/mail"
block offlineimap >"$HOME/.offlineimaprc"
check "before the sign-in it says what to do" turned_away "run sasl-bearer login $B" fetched
sign_in $B
check "OfflineIMAP fetches" fetched
integration_end
