#!/bin/sh
# swaks sends a mail through the pipe, and hears its reasons.
. "${0%/*}/../integration/lib.sh"
. "${0%/*}/programs.sh"

needs swaks command -v swaks
programs_begin swaks
check "swaks sends" sends 'hello from swaks' swaks sh
sasl_bearer logout "$B" >"$S/logout.out"
check "who has not signed in is told so" recipe_fails "$NOT_SIGNED_IN" swaks sh
integration_end
