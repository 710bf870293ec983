/* message.c - see message.h */
#include "plugin/message.h"

#include "credential/text.h"

#include <stdbool.h>
#include <string.h>

#define SEPARATOR "\001"

/* Appends to a message being built; used twice, first to measure, then to write. */
struct writer {
    char *bytes; /* NULL = measure only */
    size_t length;
};

static void put_bytes(struct writer *w, const char *bytes, size_t length)
{
    if (w->bytes != NULL)
        memcpy(w->bytes + w->length, bytes, length);
    w->length += length;
}

static void put(struct writer *w, const char *text)
{
    put_bytes(w, text, strlen(text));
}

/* saslname, RFC 5801 section 4: "," and "=" have a meaning in the header. */
static void put_saslname(struct writer *w, const char *name)
{
    for (; *name != '\0'; name++) {
        if (*name == ',')
            put(w, "=2C");
        else if (*name == '=')
            put(w, "=3D");
        else
            put_bytes(w, name, 1);
    }
}

static void write_xoauth2(struct writer *w, const struct bearer_message *message)
{
    put(w, "user=");
    put(w, message->mailbox);
    put(w, SEPARATOR "auth=Bearer ");
    put_bytes(w, message->token->bytes, message->token->length);
    put(w, SEPARATOR SEPARATOR);
}

static void write_oauthbearer(struct writer *w, const struct bearer_message *message)
{
    put(w, "n,a=");
    put_saslname(w, message->mailbox);
    put(w, "," SEPARATOR);
    if (message->host != NULL && *message->host != '\0') {
        put(w, "host=");
        put(w, message->host);
        put(w, SEPARATOR);
    }
    if (message->port != NULL && *message->port != '\0') {
        put(w, "port=");
        put(w, message->port);
        put(w, SEPARATOR);
    }
    put(w, "auth=Bearer ");
    put_bytes(w, message->token->bytes, message->token->length);
    put(w, SEPARATOR SEPARATOR);
}

static enum bearer_status check(const char *what, const char *part, size_t length, bool required, struct bearer_error *err)
{
    if (length == 0)
        return required ? bearer_fail(err, BEARER_USAGE, "there is no %s", what) : BEARER_OK;
    if (bearer_text_has_control(part, length))
        return bearer_fail(err, BEARER_USAGE, "the %s holds control characters", what);
    return BEARER_OK;
}

static enum bearer_status check_text(const char *what, const char *part, bool required, struct bearer_error *err)
{
    return check(what, part, part != NULL ? strlen(part) : 0, required, err);
}

static enum bearer_status build(const struct bearer_message *message,
                                void (*write)(struct writer *w, const struct bearer_message *message),
                                struct bearer_secret *out, struct bearer_error *err)
{
    struct writer w = { NULL, 0 };
    enum bearer_status st;

    if ((st = check_text("user name", message->mailbox, true, err)) != BEARER_OK ||
        (st = check_text("server name", message->host, false, err)) != BEARER_OK ||
        (st = check_text("server's port", message->port, false, err)) != BEARER_OK ||
        (st = check("access token", message->token->bytes, message->token->length, true, err)) != BEARER_OK)
        return st;
    write(&w, message);
    if ((st = bearer_secret_reserve(out, w.length, err)) != BEARER_OK)
        return st;
    w = (struct writer){ out->bytes, 0 };
    write(&w, message);
    return BEARER_OK;
}

enum bearer_status bearer_message_xoauth2(const struct bearer_message *message, struct bearer_secret *out,
                                          struct bearer_error *err)
{
    return build(message, write_xoauth2, out, err);
}

enum bearer_status bearer_message_oauthbearer(const struct bearer_message *message, struct bearer_secret *out,
                                              struct bearer_error *err)
{
    return build(message, write_oauthbearer, out, err);
}
