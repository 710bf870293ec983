/* mail_session.c - see mail_session.h */
#include "tool/mail_session.h"

#include "credential/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>

#define LINE_MAX_BYTES 12288 /* a reply's line: what RFC 4954 section 4 has challenges need */

/* What the three differ in. */
struct protocol {
    const char *name;
    const char *sasl_service;
    const char *ports[2];    /* plain, TLS at once */
    const char *tls_command; /* also the word by which it is offered */
    const char *goodbye;
    /* Whether a line ends a reply; sets session->kind, and session->reply to where its text begins. */
    bool (*ends)(struct mail_session *session, const char *line);
    void (*take_offer)(struct mail_session *session, const char *line);
    enum bearer_status (*ask)(struct mail_session *session, struct bearer_error *err);
};

static const struct protocol protocols[3];

static const struct protocol *protocol_of(const struct mail_session *session)
{
    return &protocols[session->address.protocol];
}

const char *mail_protocol_name(enum mail_protocol protocol)
{
    return protocols[protocol].name;
}

const char *mail_protocol_sasl_service(enum mail_protocol protocol)
{
    return protocols[protocol].sasl_service;
}

/* ------------------------------------------------------------------ lines */

static void trace(const struct mail_session *session, char direction, const char *line)
{
    if (session->trace != NULL)
        session->trace(session->trace_context, direction, line);
}

static void set_reply(struct mail_session *session, enum mail_reply kind, const char *text)
{
    session->kind = kind;
    snprintf(session->reply, sizeof session->reply, "%s", text);
}

static void keep_line(struct mail_session *session, const char *line)
{
    size_t used = strlen(session->lines);

    snprintf(session->lines + used, sizeof session->lines - used, "%s\n", line);
}

static enum bearer_status read_line(struct mail_session *session, char line[LINE_MAX_BYTES], struct bearer_error *err)
{
    enum bearer_status st = mail_connection_read_line(session->connection, line, LINE_MAX_BYTES, err);

    if (st == BEARER_OK) {
        trace(session, '<', line);
        keep_line(session, line);
    }
    return st;
}

static enum bearer_status read_reply(struct mail_session *session, struct bearer_error *err)
{
    char line[LINE_MAX_BYTES];
    enum bearer_status st;

    session->lines[0] = '\0';
    do {
        if ((st = read_line(session, line, err)) != BEARER_OK)
            return st;
    } while (!protocol_of(session)->ends(session, line));
    return session->kind != MAIL_REPLY_REFUSED ? BEARER_OK
                                               : bearer_fail(err, BEARER_REFUSED, "the server says '%s'", session->reply);
}

static enum bearer_status send_line(struct mail_session *session, const char *line, size_t length, struct bearer_error *err)
{
    enum bearer_status st = mail_connection_write(session->connection, line, length, err);

    return st == BEARER_OK ? mail_connection_write(session->connection, "\r\n", 2, err) : st;
}

enum bearer_status mail_session_command(struct mail_session *session, struct bearer_error *err, const char *format, ...)
{
    char line[1024], tag[16] = "";
    va_list arguments;
    enum bearer_status st;
    int used;

    if (session->address.protocol == MAIL_IMAP)
        snprintf(tag, sizeof tag, "A%u ", ++session->tag);
    used = snprintf(line, sizeof line, "%s", tag);
    va_start(arguments, format);
    used += vsnprintf(line + used, sizeof line - (size_t)used, format, arguments);
    va_end(arguments);
    if ((size_t)used >= sizeof line || bearer_text_has_control(line, (size_t)used))
        return bearer_fail(err, BEARER_USAGE, "this cannot stand in a command: it is too long, or has control characters");
    trace(session, '>', line);
    st = send_line(session, line, (size_t)used, err);
    return st == BEARER_OK ? read_reply(session, err) : st;
}

enum bearer_status mail_session_answer(struct mail_session *session, const char *line, size_t length,
                                       struct bearer_error *err)
{
    enum bearer_status st;

    trace(session, '>', length > 0 ? "***" : "");
    st = send_line(session, line, length, err);
    return st == BEARER_OK ? read_reply(session, err) : st;
}

/* ------------------------------------------------------------------ what is offered */

static void offer_mechanisms(struct mail_session *session, const char *names, size_t length)
{
    size_t used = strlen(session->mechanisms);

    snprintf(session->mechanisms + used, sizeof session->mechanisms - used, "%s%.*s", used > 0 ? " " : "", (int)length,
             names);
}

/* "SASL PLAIN XOAUTH2" and alike: a word, then the mechanisms. */
static void take_named_line(struct mail_session *session, const char *line, const char *name)
{
    size_t length = strlen(name);

    if (strncasecmp(line, name, length) == 0 && line[length] != '\0' && strchr(" =", line[length]) != NULL)
        offer_mechanisms(session, line + length + 1, strlen(line + length + 1));
    if (strcasecmp(line, protocol_of(session)->tls_command) == 0)
        session->offers_tls = true;
}

static void take_offers(struct mail_session *session)
{
    char *rest = session->lines, *line;

    session->mechanisms[0] = '\0';
    session->offers_tls = false;
    while ((line = strsep(&rest, "\n")) != NULL)
        protocol_of(session)->take_offer(session, line);
    session->lines[0] = '\0';
}

/* ------------------------------------------------------------------ IMAP */

static bool imap_ends(struct mail_session *session, const char *line)
{
    char tag[16];
    int length = snprintf(tag, sizeof tag, "A%u ", session->tag);

    if (session->tag == 0 && strncmp(line, "* ", 2) == 0) /* the greeting */
        set_reply(session, strncasecmp(line + 2, "OK", 2) == 0 ? MAIL_REPLY_OK : MAIL_REPLY_REFUSED, line + 2);
    else if (strncmp(line, tag, (size_t)length) == 0)
        set_reply(session, strncasecmp(line + length, "OK", 2) == 0 ? MAIL_REPLY_OK : MAIL_REPLY_REFUSED, line + length);
    else if (line[0] == '+')
        set_reply(session, MAIL_REPLY_CHALLENGE, line[1] == ' ' ? line + 2 : line + 1);
    else
        return false;
    return true;
}

static void imap_take_offer(struct mail_session *session, const char *line)
{
    const char *word;
    size_t length;

    if (strncasecmp(line, "* CAPABILITY ", 13) != 0)
        return;
    for (line += 13; bearer_text_word(&line, &word, &length);) {
        if (length > 5 && strncasecmp(word, "AUTH=", 5) == 0)
            offer_mechanisms(session, word + 5, length - 5);
        if (length == 8 && strncasecmp(word, "STARTTLS", 8) == 0)
            session->offers_tls = true;
    }
}

static enum bearer_status imap_ask(struct mail_session *session, struct bearer_error *err)
{
    return mail_session_command(session, err, "CAPABILITY");
}

/* ------------------------------------------------------------------ POP3 */

static bool pop3_ends(struct mail_session *session, const char *line)
{
    if (strncasecmp(line, "+OK", 3) == 0)
        set_reply(session, MAIL_REPLY_OK, line);
    else if (line[0] == '+')
        set_reply(session, MAIL_REPLY_CHALLENGE, line[1] == ' ' ? line + 2 : line + 1);
    else
        set_reply(session, MAIL_REPLY_REFUSED, line);
    return true;
}

static void pop3_take_offer(struct mail_session *session, const char *line)
{
    take_named_line(session, line, "SASL");
}

/* The one reply of several lines, which ends in a dot. */
static enum bearer_status pop3_ask(struct mail_session *session, struct bearer_error *err)
{
    char line[LINE_MAX_BYTES] = "";
    enum bearer_status st = mail_session_command(session, err, "CAPA");

    while (st == BEARER_OK && strcmp(line, ".") != 0)
        st = read_line(session, line, err);
    return st;
}

/* ------------------------------------------------------------------ SMTP */

/* Only the last line of a reply has a blank behind its number.  334 asks for more of a login; 354 only looks alike. */
static bool smtp_ends(struct mail_session *session, const char *line)
{
    if (strspn(line, "0123456789") == 3 && line[3] == '-')
        return false;
    if (strncmp(line, "334", 3) == 0)
        set_reply(session, MAIL_REPLY_CHALLENGE, line[3] == ' ' ? line + 4 : line + 3);
    else
        set_reply(session, line[0] == '2' || line[0] == '3' ? MAIL_REPLY_OK : MAIL_REPLY_REFUSED, line);
    return true;
}

static void smtp_take_offer(struct mail_session *session, const char *line)
{
    if (strlen(line) > 4)
        take_named_line(session, line + 4, "AUTH");
}

static enum bearer_status smtp_ask(struct mail_session *session, struct bearer_error *err)
{
    struct utsname name;

    return mail_session_command(session, err, "EHLO %s",
                                uname(&name) == 0 && name.nodename[0] != '\0' ? name.nodename : "localhost");
}

static const struct protocol protocols[3] = {
    [MAIL_IMAP] = { "imap", "imap", { "143", "993" }, "STARTTLS", "LOGOUT", imap_ends, imap_take_offer, imap_ask },
    [MAIL_POP3] = { "pop3", "pop", { "110", "995" }, "STLS", "QUIT", pop3_ends, pop3_take_offer, pop3_ask },
    [MAIL_SMTP] = { "smtp", "smtp", { "587", "465" }, "STARTTLS", "QUIT", smtp_ends, smtp_take_offer, smtp_ask },
};

/* ------------------------------------------------------------------ addresses */

static enum bearer_status bad_address(const char *url, struct bearer_error *err)
{
    return bearer_fail(
        err, BEARER_USAGE,
        "'%s' is not a mail server: it can be imap://HOST[:PORT], imaps://, pop3://, pop3s://, smtp:// or smtps://", url);
}

/* Splits HOST:PORT or [ADDRESS]:PORT; port_out is NULL if there is none. */
static bool split_port(char *authority, char **host_out, char **port_out)
{
    char *end = authority[0] == '[' ? strchr(authority, ']') : NULL;
    char *colon = strchr(end != NULL ? end : authority, ':');

    *host_out = authority;
    *port_out = colon != NULL ? colon + 1 : NULL;
    if (colon != NULL)
        *colon = '\0';
    if (authority[0] != '[')
        return *authority != '\0';
    if (end == NULL || end[1] != '\0')
        return false;
    *end = '\0';
    *host_out = authority + 1;
    return **host_out != '\0';
}

static bool find_scheme(const char *scheme, struct mail_address *address)
{
    for (size_t i = 0; i < sizeof protocols / sizeof protocols[0]; i++) {
        size_t length = strlen(protocols[i].name);

        if (strncasecmp(scheme, protocols[i].name, length) != 0 ||
            (scheme[length] != '\0' && strcasecmp(scheme + length, "s") != 0))
            continue;
        address->protocol = (enum mail_protocol)i;
        address->implicit_tls = scheme[length] != '\0';
        return true;
    }
    return false;
}

static bool is_port(const char *port)
{
    size_t digits = strspn(port, "0123456789");

    return digits > 0 && digits <= 5 && port[digits] == '\0' && strtol(port, NULL, 10) > 0 && strtol(port, NULL, 10) < 65536;
}

enum bearer_status mail_address_parse(const char *url, struct mail_address *address, struct bearer_error *err)
{
    char copy[288], *authority, *host, *port;
    const char *usual;

    *address = (struct mail_address){ .protocol = MAIL_IMAP };
    if ((size_t)snprintf(copy, sizeof copy, "%s", url) >= sizeof copy || (authority = strstr(copy, "://")) == NULL)
        return bad_address(url, err);
    *authority = '\0';
    authority += 3;
    if (*authority != '\0' && authority[strlen(authority) - 1] == '/')
        authority[strlen(authority) - 1] = '\0';
    if (!find_scheme(copy, address) || strpbrk(authority, "/?#@ ") != NULL ||
        bearer_text_has_control(authority, strlen(authority)) || !split_port(authority, &host, &port) ||
        strlen(host) >= sizeof address->host || (port != NULL && !is_port(port)))
        return bad_address(url, err);
    usual = protocols[address->protocol].ports[address->implicit_tls];
    snprintf(address->host, sizeof address->host, "%s", host);
    snprintf(address->port, sizeof address->port, "%s", port != NULL ? port : usual);
    snprintf(address->url, sizeof address->url, "%s%s://%s", protocols[address->protocol].name,
             address->implicit_tls ? "s" : "", strstr(url, "://") + 3);
    return BEARER_OK;
}

/* ------------------------------------------------------------------ the conversation */

static enum bearer_status encrypt(struct mail_session *session, const struct mail_trust *trust, struct bearer_error *err)
{
    session->stage = MAIL_ENCRYPTING;
    return mail_connection_encrypt(session->connection, trust, session->address.host, err);
}

static enum bearer_status ask(struct mail_session *session, struct bearer_error *err)
{
    enum bearer_status st;

    session->stage = MAIL_ASKING;
    st = protocol_of(session)->ask(session, err);
    if (st == BEARER_OK)
        take_offers(session);
    return st;
}

static enum bearer_status start_tls(struct mail_session *session, const struct mail_trust *trust, struct bearer_error *err)
{
    const char *command = protocol_of(session)->tls_command;
    enum bearer_status st = ask(session, err);

    if (st != BEARER_OK)
        return st;
    session->stage = MAIL_ENCRYPTING;
    if (!session->offers_tls)
        return bearer_fail(err, BEARER_PEER, "it does not offer %s, and a token never goes where others can read it",
                           command);
    if ((st = mail_session_command(session, err, "%s", command)) != BEARER_OK)
        return st;
    return encrypt(session, trust, err);
}

enum bearer_status mail_session_open(struct mail_session *session, const struct mail_address *address,
                                     const struct mail_trust *trust, int64_t deadline, struct bearer_error *err)
{
    enum bearer_status st;

    session->address = *address;
    session->stage = MAIL_CONNECTING;
    if ((st = mail_connection_open(address->host, address->port, deadline, &session->connection, err)) != BEARER_OK)
        return st;
    if (address->implicit_tls && (st = encrypt(session, trust, err)) != BEARER_OK)
        return st;
    session->stage = MAIL_GREETING;
    if ((st = read_reply(session, err)) != BEARER_OK)
        return st;
    if (!address->implicit_tls && (st = start_tls(session, trust, err)) != BEARER_OK)
        return st;
    return ask(session, err); /* anew behind TLS: what came before may have been forged */
}

/* What the server says to the goodbye is not waited for: session->reply still tells of what mattered. */
void mail_session_close(struct mail_session *session)
{
    const char *tag = session->address.protocol == MAIL_IMAP ? "A0 " : "";
    char line[32];
    int length = snprintf(line, sizeof line, "%s%s", tag, protocol_of(session)->goodbye);

    if (session->connection != NULL && session->kind != MAIL_REPLY_CHALLENGE && session->stage >= MAIL_ASKING)
        (void)send_line(session, line, (size_t)length, NULL);
    mail_connection_close(&session->connection);
}
