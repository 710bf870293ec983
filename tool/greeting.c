/* greeting.c - see greeting.h */
#include "tool/greeting.h"

#include "credential/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define REPLY_MAX 512 /* bytes of a line in SMTP and POP3 (RFC 5321 section 4.5.3.1.5, RFC 2449 section 4) */
#define USER_MAX  256

/* ------------------------------------------------------------------ lines */

static void write_all(int out, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t count = write(out, bytes, length);

        if (count < 0 && errno != EINTR)
            return;
        if (count > 0) {
            bytes += count;
            length -= (size_t)count;
        }
    }
}

void greeting_line(int out, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) >= 0) {
        write_all(out, text, strlen(text));
        write_all(out, "\r\n", 2);
        free(text);
    }
    va_end(arguments);
}

void greeting_refuse(int out, const struct mail_address *address, const char *reason)
{
    char text[REPLY_MAX - 2];

    switch (address->protocol) {
    case MAIL_IMAP:
        snprintf(text, sizeof text, "* BYE sasl-bearer: %s", reason);
        break;
    case MAIL_POP3:
        snprintf(text, sizeof text, "-ERR sasl-bearer: %s", reason);
        break;
    case MAIL_SMTP:
        snprintf(text, sizeof text, "421 %s sasl-bearer: %s", address->host, reason);
        break;
    }
    bearer_text_printable(text, sizeof text, text, strlen(text));
    greeting_line(out, "%s", text);
}

/* ------------------------------------------------------------------ IMAP */

/* What is of no use to one who is logged in and has no need of TLS. */
static bool is_for_login(const char *word, size_t length)
{
    return (length > 5 && strncasecmp(word, "AUTH=", 5) == 0) || (length == 8 && strncasecmp(word, "STARTTLS", 8) == 0) ||
           (length == 13 && strncasecmp(word, "LOGINDISABLED", 13) == 0) ||
           (length == 7 && strncasecmp(word, "SASL-IR", 7) == 0);
}

static void copy_capabilities(const char *lines, char *out, size_t size)
{
    const char *line = strcasestr(lines, "* CAPABILITY "), *word;
    char list[2048];
    size_t length, used = 0;

    *out = '\0';
    if (line == NULL)
        return;
    line += strlen("* CAPABILITY ");
    snprintf(list, sizeof list, "%.*s", (int)strcspn(line, "\n"), line);
    for (line = list; bearer_text_word(&line, &word, &length) && used < size;)
        if (!is_for_login(word, length))
            used += (size_t)snprintf(out + used, size - used, " %.*s", (int)length, word);
}

/* What a server offers often differs once somebody is in. */
static enum bearer_status greet_imap(struct mail_session *session, const char *user, int out, struct bearer_error *err)
{
    enum bearer_status st = mail_session_command(session, err, "CAPABILITY");
    char capabilities[sizeof session->lines];

    if (st != BEARER_OK)
        return st;
    copy_capabilities(session->lines, capabilities, sizeof capabilities);
    if (capabilities[0] != '\0')
        greeting_line(out, "* PREAUTH [CAPABILITY%s] sasl-bearer logged in as %s", capabilities, user);
    else
        greeting_line(out, "* PREAUTH sasl-bearer logged in as %s", user);
    return BEARER_OK;
}

/* ------------------------------------------------------------------ all three */

enum bearer_status greeting_say(struct mail_session *session, const char *user, struct pipe_program *program,
                                struct bearer_error *err)
{
    char shown[USER_MAX];

    bearer_text_printable(shown, sizeof shown, user, strlen(user));
    switch (session->address.protocol) {
    case MAIL_IMAP:
        return greet_imap(session, shown, program->out, err);
    case MAIL_POP3:
        return greeting_pop3(session, shown, program, err);
    case MAIL_SMTP:
        break;
    }
    greeting_line(program->out, "220 %s ESMTP, sasl-bearer logged in as %s", session->address.host, shown);
    return BEARER_OK;
}
