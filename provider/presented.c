/* presented.c - see presented.h */
#include "provider/presented.h"

#include "credential/clock.h"
#include "credential/error.h"
#include "credential/secret.h"
#include "provider/expiry.h"
#include "provider/jwt.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* Seconds after which a token of unknown age is asked for again.  Whoever keeps it fresh replaces it some minutes before its
 * end at the latest; asking costs a read, or one run of a program that has the token at hand. */
#define UNKNOWN_LIFETIME 600

#define BLANKS " \t\r\n"

/* What is there, and what is known of it. */
struct presented {
    enum presented_by by;
    const char *name; /* of the file or program, for messages */
    int name_length;
    int64_t now;      /* seconds since the epoch */
    char *text;       /* without blanks around it */
    json_t *json;     /* the same, if it is JSON */
    const char *token;
};

/* ------------------------------------------------------------------ the source */

static const char *option(const struct bearer_request *request, const char *name)
{
    for (const struct bearer_option *row = request->options; row->name != NULL; row++)
        if (strcmp(row->name, name) == 0)
            return row->value;
    return "";
}

/* A command's arguments may be private: only the program is shown. */
static void take_name(const struct bearer_request *request, struct presented *presented)
{
    bool is_command = presented->by == PRESENTED_BY_COMMAND;

    presented->name = option(request, is_command ? "oauth2_token_command" : "oauth2_token_file");
    presented->name += is_command ? strspn(presented->name, BLANKS) : 0;
    presented->name_length = (int)(is_command ? strcspn(presented->name, BLANKS) : strlen(presented->name));
}

/* Says what is wrong with what stands `in '/run/token'`, or was `printed by '/usr/bin/az'`. */
static enum bearer_status refuse(const struct presented *presented, enum bearer_status status, const char *thing,
                                 const char *complaint, struct bearer_error *err)
{
    return bearer_fail(err, status, "%s %s '%.*s' %s", thing, presented->by == PRESENTED_BY_COMMAND ? "printed by" : "in",
                       presented->name_length, presented->name, complaint);
}

static enum bearer_status take_text(const struct bearer_request *request, struct presented *presented,
                                    struct bearer_error *err)
{
    const char *text = option(request, "oauth2_token");
    size_t length;

    text += strspn(text, BLANKS);
    for (length = strlen(text); length > 0 && strchr(BLANKS, text[length - 1]) != NULL;)
        length--;
    if (length == 0)
        return refuse(presented, BEARER_LATER, "the text", "is empty", err);
    presented->text = strndup(text, length);
    return presented->text != NULL ? BEARER_OK : bearer_fail(err, BEARER_NOMEM, "out of memory");
}

/* ------------------------------------------------------------------ JSON */

/* jansson frees strings as they are; these are tokens, so they are wiped where they lie. */
static void forget(json_t *json)
{
    const char *name;
    json_t *value;
    size_t i;

    json_object_foreach (json, name, value)
        forget(value);
    json_array_foreach (json, i, value)
        forget(value);
    if (json_is_string(json))
        bearer_wipe((char *)(uintptr_t)json_string_value(json), json_string_length(json));
}

/* The object that holds the token: gcloud puts it into another one. */
static const json_t *holder(const json_t *json)
{
    const json_t *inner = json_object_get(json, "credential");

    return json_is_object(inner) ? inner : json;
}

/* The first of these members that is a string with something in it. */
static const char *first_text(const json_t *json, const char *const names[])
{
    for (; *names != NULL; names++)
        if (json_string_length(json_object_get(json, *names)) > 0)
            return json_string_value(json_object_get(json, *names));
    return NULL;
}

static enum bearer_status take_json_token(struct presented *presented, struct bearer_error *err)
{
    static const char *const tokens[] = { "access_token", "accessToken", "token", NULL };
    static const char *const types[] = { "token_type", "tokenType", NULL };
    const char *type = first_text(holder(presented->json), types);

    presented->token = json_string_length(presented->json) > 0 ? json_string_value(presented->json)
                                                               : first_text(holder(presented->json), tokens);
    if (presented->token == NULL)
        return refuse(presented, BEARER_CONFIG, "the JSON", "holds no access_token", err);
    if (type != NULL && strcasecmp(type, "bearer") != 0)
        return refuse(presented, BEARER_CONFIG, "the token", "is not of type Bearer", err);
    return BEARER_OK;
}

/* ------------------------------------------------------------------ the token */

static enum bearer_status take_token(struct presented *presented, struct bearer_error *err)
{
    presented->token = presented->text;
    if (strchr("{[\"", presented->text[0]) != NULL) {
        presented->json = json_loads(presented->text, JSON_DECODE_ANY, NULL);
        if (presented->json == NULL) /* somebody may be writing it just now */
            return refuse(presented, BEARER_LATER, "the text", "begins as JSON does, but is none", err);
        return take_json_token(presented, err);
    }
    if (presented->text[strcspn(presented->text, BLANKS)] != '\0')
        return refuse(presented, BEARER_CONFIG, "the text",
                      "is no token: it has blanks or several lines; it must be the token alone, or JSON", err);
    return BEARER_OK;
}

static bool claimed_end(const char *token, int64_t now, int64_t *end_out)
{
    json_t *claims = jwt_claims(token);
    bool found = expiry_read(json_object_get(claims, "exp"), now, end_out);

    json_decref(claims);
    return found;
}

/* When the token ends, in epoch seconds; false if nothing tells.  A time that counts from the token's making is of use only
 * if that was just now.  az has expiresOn in local time without a zone, which is no point in time, and expires_on too. */
static bool take_end(const struct presented *presented, int64_t *end_out)
{
    static const char *const names[] = { "expires_on", "expires_at", "expiry", "token_expiry", "expiresOn", "expires_in" };
    const json_t *json = holder(presented->json);
    size_t usable = sizeof names / sizeof names[0] - (presented->by == PRESENTED_BY_COMMAND ? 0 : 1);

    for (size_t i = 0; i < usable; i++)
        if (expiry_read(json_object_get(json, names[i]), presented->now, end_out))
            return true;
    return claimed_end(presented->token, presented->now, end_out);
}

static enum bearer_status take_lifetime(const struct presented *presented, struct bearer_grant *grant,
                                        struct bearer_error *err)
{
    char complaint[128] = "has expired";
    struct tm date;
    int64_t end;

    grant->lifetime = UNKNOWN_LIFETIME;
    if (!take_end(presented, &end))
        return BEARER_OK;
    grant->lifetime = end - presented->now;
    if (grant->lifetime > 0)
        return BEARER_OK;
    if (gmtime_r(&(time_t){ end }, &date) != NULL)
        strftime(complaint, sizeof complaint, "expired at %Y-%m-%d %H:%M:%S UTC: whatever keeps it fresh is not running",
                 &date);
    return refuse(presented, BEARER_LATER, "the token", complaint, err);
}

/* Grants what is there. */
static enum bearer_status grant_token(const struct bearer_request *request, const struct presented *presented,
                                      struct bearer_error *err)
{
    struct bearer_grant grant = { .access_token = presented->token };
    enum bearer_status st = take_lifetime(presented, &grant, err);

    if (st != BEARER_OK)
        return st;
    if (presented->by == PRESENTED_BY_COMMAND)
        (void)expiry_seconds(json_object_get(holder(presented->json), "refresh_in"), &grant.refresh_in);
    request->grant(request->context, &grant);
    return BEARER_OK;
}

enum bearer_status presented_fetch(const struct bearer_request *request, enum presented_by by)
{
    struct presented presented = { .by = by, .now = bearer_now() };
    struct bearer_error err = BEARER_ERROR_INIT;
    enum bearer_status st;

    take_name(request, &presented);
    if ((st = take_text(request, &presented, &err)) == BEARER_OK && (st = take_token(&presented, &err)) == BEARER_OK)
        st = grant_token(request, &presented, &err);
    if (st != BEARER_OK)
        request->fail(request->context, &(struct bearer_failure){ .status = st, .text = err.text });
    forget(presented.json);
    json_decref(presented.json);
    bearer_wipe_string(presented.text);
    free(presented.text);
    return st;
}
