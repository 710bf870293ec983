# mail.sh - all fixtures in one.  To be sourced with mail_dir set to this file's directory:
#
#     mail_dir=$top_srcdir/tests/mail
#     . "$mail_dir/mail.sh"
mail_dir=$(cd "${mail_dir:?set it to the directory of mail.sh}" && pwd)
for mail_part in wait mailbox dovecot postfix clients; do
    # shellcheck source=/dev/null
    . "$mail_dir/$mail_part.sh"
done
