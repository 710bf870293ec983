/* greeting_pop3.c - POP3 has no greeting for one who is logged in already, so programs log in here, in any way they like.
 *
 * Whoever reads this end may read the mailbox as well: there is nothing to protect from them. */
#include "tool/greeting.h"

#include "credential/secret.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024 /* of the server's: its capabilities */

/* What a command comes to. */
enum outcome {
    GO_ON,
    LOGGED_IN,
    NOT_OURS /* it is for the server, and so is all that follows */
};

struct talk {
    struct mail_session *session;
    const char *user;
    int in, out;
    char bytes[PIPE_SAID_MAX]; /* what came and was not taken yet begins at begin */
    size_t begin, end;
    char capabilities[2048]; /* the server's, each line with its end */
};

/* ------------------------------------------------------------------ the program's lines */

/* Lends the next line, without its end, in place; NULL: the program is gone, or its line has no end. */
static char *next_line(struct talk *talk, size_t *length_out)
{
    for (;;) {
        char *begin = talk->bytes + talk->begin, *end = memchr(begin, '\n', talk->end - talk->begin);
        ssize_t count;

        if (end != NULL) {
            *length_out = (size_t)(end - begin) + 1;
            return begin;
        }
        memmove(talk->bytes, begin, talk->end - talk->begin);
        talk->end -= talk->begin;
        talk->begin = 0;
        if (talk->end == sizeof talk->bytes)
            return NULL;
        count = read(talk->in, talk->bytes + talk->end, sizeof talk->bytes - talk->end);
        if (count == 0 || (count < 0 && errno != EINTR))
            return NULL;
        talk->end += count > 0 ? (size_t)count : 0;
    }
}

/* It may have been a password. */
static void take_line(struct talk *talk, char *line, size_t length)
{
    bearer_wipe(line, length);
    talk->begin += length;
}

/* ------------------------------------------------------------------ the server's capabilities */

/* Those of logging in are ours to offer; the rest is what the server has for one who is in (RFC 2449 section 5). */
static void keep_capability(struct talk *talk, const char *line)
{
    static const char *const ours[] = { "SASL", "STLS", "USER", "UTF8", "LANG" };
    size_t used = strlen(talk->capabilities), word = strcspn(line, " ");

    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (word == strlen(ours[i]) && strncasecmp(line, ours[i], word) == 0)
            return;
    if (used + strlen(line) + 3 <= sizeof talk->capabilities)
        snprintf(talk->capabilities + used, sizeof talk->capabilities - used, "%s\r\n", line);
}

/* A server need not know the command. */
static enum bearer_status ask_capabilities(struct talk *talk, struct bearer_error *err)
{
    struct bearer_error refusal = BEARER_ERROR_INIT;
    enum bearer_status st = mail_session_command(talk->session, &refusal, "CAPA");
    char line[LINE_MAX_BYTES];

    if (st == BEARER_REFUSED)
        return BEARER_OK;
    if (st != BEARER_OK)
        return bearer_fail(err, st, "%s", refusal.text);
    while ((st = mail_connection_read_line(talk->session->connection, line, sizeof line, err)) == BEARER_OK &&
           strcmp(line, ".") != 0)
        keep_capability(talk, line);
    return st;
}

/* ------------------------------------------------------------------ commands */

static enum outcome let_in(struct talk *talk)
{
    greeting_line(talk->out, "+OK sasl-bearer logged in as %s", talk->user);
    return LOGGED_IN;
}

static enum outcome do_capa(struct talk *talk, const char *argument)
{
    (void)argument;
    greeting_line(talk->out, "+OK\r\n%sUSER\r\nSASL PLAIN LOGIN\r\n.", talk->capabilities);
    return GO_ON;
}

static enum outcome do_user(struct talk *talk, const char *argument)
{
    (void)argument;
    greeting_line(talk->out, "+OK any password will do");
    return GO_ON;
}

static enum outcome do_pass(struct talk *talk, const char *argument)
{
    (void)argument;
    return let_in(talk);
}

static enum outcome do_stls(struct talk *talk, const char *argument)
{
    (void)argument;
    greeting_line(talk->out, "-ERR TLS is between sasl-bearer and the server");
    return GO_ON;
}

/* Puts a question of the SASL exchange; gives whether it was answered. */
static bool ask_program(struct talk *talk, const char *question)
{
    size_t length;
    char *line;
    bool given_up;

    greeting_line(talk->out, "+ %s", question);
    if ((line = next_line(talk, &length)) == NULL)
        return false;
    given_up = line[0] == '*';
    take_line(talk, line, length);
    if (given_up)
        greeting_line(talk->out, "-ERR as you like");
    return !given_up;
}

/* RFC 5034: an answer to the first question may stand behind the mechanism's name. */
static enum outcome do_auth(struct talk *talk, const char *argument)
{
    size_t length = strcspn(argument, " \r\n");
    bool answered = argument[length] == ' ';

    if (length == 0) {
        greeting_line(talk->out, "+OK\r\nPLAIN\r\nLOGIN\r\n.");
        return GO_ON;
    }
    if (length == 5 && strncasecmp(argument, "PLAIN", length) == 0)
        return answered || ask_program(talk, "") ? let_in(talk) : GO_ON;
    if (length == 5 && strncasecmp(argument, "LOGIN", length) == 0)
        return (answered || ask_program(talk, "VXNlcm5hbWU6")) && ask_program(talk, "UGFzc3dvcmQ6") ? let_in(talk) : GO_ON;
    greeting_line(talk->out, "-ERR there are PLAIN and LOGIN, and any password will do");
    return GO_ON;
}

static const struct {
    const char *name;
    enum outcome (*run)(struct talk *talk, const char *argument);
} commands[] = {
    { "CAPA", do_capa }, { "USER", do_user }, { "PASS", do_pass },
    { "APOP", do_pass }, { "AUTH", do_auth }, { "STLS", do_stls },
};

static enum outcome obey(struct talk *talk, char *line, size_t length)
{
    size_t word = 0;

    while (word < length && strchr(" \r\n", line[word]) == NULL)
        word++;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (word == strlen(commands[i].name) && strncasecmp(line, commands[i].name, word) == 0) {
            char argument[32];

            snprintf(argument, sizeof argument, "%.*s", (int)(length - word), line + word + (line[word] == ' '));
            take_line(talk, line, length);
            return commands[i].run(talk, argument);
        }
    return NOT_OURS;
}

/* ------------------------------------------------------------------ the conversation */

enum bearer_status greeting_pop3(struct mail_session *session, const char *user, struct pipe_program *program,
                                 struct bearer_error *err)
{
    static struct talk talk; /* what is left in it is lent */
    enum bearer_status st;
    char *line;
    size_t length;

    talk = (struct talk){ .session = session, .user = user, .in = program->in, .out = program->out };
    if ((st = ask_capabilities(&talk, err)) != BEARER_OK)
        return st;
    greeting_line(talk.out, "+OK sasl-bearer is ready, any password will do");
    while ((line = next_line(&talk, &length)) != NULL && obey(&talk, line, length) == GO_ON)
        ;
    program->said = talk.bytes + talk.begin;
    program->said_length = talk.end - talk.begin;
    return BEARER_OK;
}
