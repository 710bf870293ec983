/* mail_login.h - a login at a mail server through libsasl2 and our plugin, as any other program makes it.
 *
 * libsasl2 is initialised once in a process.  Programs in a chroot jail do so before they enter it; what they can open then
 * is all that the plugin has. */
#ifndef TOOL_MAIL_LOGIN_H
#define TOOL_MAIL_LOGIN_H

#include "tool/mail_session.h"

struct mail_login {
    bool keeps_notes;   /* in log, such as that of a request */
    char mechanism[24]; /* that was used, or would have been; empty = the server offers none of ours */
    char log[4096];     /* what libsasl2 and the plugin said, each with a newline */
    char trouble[1200]; /* why there was nothing to send: the plugin's words */
};

/* Initialises libsasl2, which loads the plugin.  login->log is filled from now on, and has to outlive all that follows.
 * BEARER_LOCAL: it does not start. */
enum bearer_status mail_login_prepare(struct mail_login *login, struct bearer_error *err);

/* Logs in as that user.  Only XOAUTH2 and OAUTHBEARER are used, whatever else libsasl2 knows.
 *
 * BEARER_REFUSED: the server says no, in session->reply.  BEARER_NO_ACCOUNT: the server offers neither mechanism.
 * BEARER_LOCAL: libsasl2 has no plugin for them that is configured.  Where login->trouble has words, they and the status are
 * the plugin's, which makes no message; BEARER_LATER then also stands for BEARER_PEER and BEARER_LOCAL, which libsasl2 calls
 * the same.  Else as mail_connection.h has it. */
enum bearer_status mail_login(struct mail_session *session, const char *user, struct mail_login *login,
                              struct bearer_error *err);

#endif
