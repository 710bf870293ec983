/* greeting.h - what a program hears of a login that was made for it, in its own protocol, before it talks to the server.
 *
 * IMAP has a greeting for it, PREAUTH (RFC 3501 section 7.1.4).  SMTP's programs are those without a login of their own.
 * POP3 knows no such thing: what programs do to log in is answered here, and any name and password will do. */
#ifndef TOOL_GREETING_H
#define TOOL_GREETING_H

#include "tool/mail_session.h"
#include "tool/pipe.h"

/* Greets the program as the server would that user; for POP3, goes on until it has logged in.  What it said and was not for
 * us is lent in *program, until the next call.  Fails as mail_session_command(). */
enum bearer_status greeting_say(struct mail_session *session, const char *user, struct pipe_program *program,
                                struct bearer_error *err);

/* Tells the program in place of a greeting that there will be none. */
void greeting_refuse(int out, const struct mail_address *address, const char *reason);

/* ---- POP3's own, in greeting_pop3.c */

/* Writes a line; what cannot be written will be noticed later. */
void greeting_line(int out, const char *format, ...) __attribute__((format(printf, 2, 3)));

enum bearer_status greeting_pop3(struct mail_session *session, const char *user, struct pipe_program *program,
                                 struct bearer_error *err);

#endif
