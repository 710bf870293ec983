/* mail_session.h - a conversation with a mail server: greeting, TLS, what it offers, commands and replies, for IMAP (RFC
 * 3501), POP3 (RFC 1939, 2449) and SMTP (RFC 5321) alike.  Logging in is mail_login.h's. */
#ifndef TOOL_MAIL_SESSION_H
#define TOOL_MAIL_SESSION_H

#include "tool/mail_connection.h"

enum mail_protocol { MAIL_IMAP, MAIL_POP3, MAIL_SMTP };

/* Where to go: imap://HOST[:PORT] begins plain and turns to TLS (STARTTLS), imaps:// is TLS at once; pop3, smtp likewise. */
struct mail_address {
    enum mail_protocol protocol;
    bool implicit_tls;
    char host[256];
    char port[8];
    char url[288]; /* the whole, as short as it can be: to be shown */
};

/* Reads a URL.  BEARER_USAGE: it is none of these. */
enum bearer_status mail_address_parse(const char *url, struct mail_address *address_out, struct bearer_error *err);

/* Lends imap, pop3 or smtp; and the name of the SASL service, which differs for POP3. */
const char *mail_protocol_name(enum mail_protocol protocol);
const char *mail_protocol_sasl_service(enum mail_protocol protocol);

enum mail_stage {
    MAIL_NOT_BEGUN,
    MAIL_CONNECTING,
    MAIL_GREETING,
    MAIL_ENCRYPTING,
    MAIL_ASKING,
    MAIL_LOGGING_IN,
    MAIL_LOGGED_IN
};

enum mail_reply { MAIL_REPLY_OK, MAIL_REPLY_REFUSED, MAIL_REPLY_CHALLENGE };

struct mail_session {
    struct mail_address address;
    struct mail_connection *connection; /* NULL = closed */
    enum mail_stage stage;              /* what it is at, or was when it failed */
    enum mail_reply kind;               /* of the last reply */
    char reply[1024];                   /* its last line as it came, without IMAP's tag; of a challenge what is in it */
    char lines[8192];                   /* all its lines but IMAP's last, cut to size, each with a newline */
    char mechanisms[512];               /* that the server offers, blank-separated */
    bool offers_tls;
    unsigned tag; /* IMAP's, of the last command */

    /* Is told each line as it passes, '<' from the server, '>' to it; of a login only that there was some.  Or NULL. */
    void (*trace)(void *context, char direction, const char *line);
    void *trace_context;
};

/* Connects, greets, encrypts, asks what the server offers.  Never goes on without TLS.  Fails as mail_connection.h has it;
 * BEARER_REFUSED: the server's own words are in session->reply.  Close the session in any case. */
enum bearer_status mail_session_open(struct mail_session *session, const struct mail_address *address,
                                     const struct mail_trust *trust, int64_t deadline, struct bearer_error *err);

/* Sends a command, printf'd, and reads the reply; IMAP's tag is put in front.  BEARER_OK: it says yes, or asks for more.
 * BEARER_REFUSED: it says no. */
enum bearer_status mail_session_command(struct mail_session *session, struct bearer_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Sends a line that answers a challenge, or that nobody else may see, and reads the reply. */
enum bearer_status mail_session_answer(struct mail_session *session, const char *line, size_t length,
                                       struct bearer_error *err);

/* Says goodbye if the connection still stands, and ends it. */
void mail_session_close(struct mail_session *session);

#endif
