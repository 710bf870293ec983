/* identity_reply.c - see identity_reply.h */
#include "provider/identity_reply.h"

#include "provider/catalogue.h"
#include "provider/expiry.h"
#include "provider/oauth.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LONG_LIFE        7200 /* seconds; such a token is renewed at half of its life if nobody says when */
#define FIRST_PAUSE      2000 /* ms; it doubles: tries at 0, 2, 6, 14 and 30 s */
#define TRIES_MAX        5
#define UPDATE_PAUSE     10000 /* ms between two tries while the endpoint is replaced, */
#define UPDATE_TRIES_MAX 8     /* of which there are so many, */
#define UPDATE_TIME      70    /* for it takes so many seconds at most */
#define GONE             410

/* ------------------------------------------------------------------ trying again */

int64_t identity_reply_pause(enum bearer_status st, const struct http_reply *reply, unsigned tries)
{
    int64_t pause = FIRST_PAUSE << (tries < TRIES_MAX ? tries - 1 : 0);

    if (st != BEARER_OK)
        return st == BEARER_LATER && !reply->unreachable && tries < TRIES_MAX ? pause : -1;
    if (reply->status == GONE)
        return tries < UPDATE_TRIES_MAX ? UPDATE_PAUSE : -1;
    if (reply->status != 404 && reply->status != 429 && reply->status < 500)
        return -1;
    if (tries >= TRIES_MAX)
        return -1;
    return pause > reply->retry_after * 1000 ? pause : reply->retry_after * 1000;
}

/* ------------------------------------------------------------------ errors */

/* What an answer says about itself: one word and a sentence, both fit to be shown, or empty. */
struct remark {
    char error[64];
    char description[OAUTH_SENTENCE_MAX];
};

/* The three forms: {"error", "error_description"}, {"error": {"code", "message"}}, {"statusCode", "message"}. */
static void take_remark(const json_t *json, const struct identity_source *source, const char *key, struct remark *remark)
{
    const json_t *error = json_object_get(json, "error");
    const char *word = json_is_object(error) ? oauth_text(error, "code") : oauth_text(json, "error");
    const char *sentence = json_is_object(error) ? oauth_text(error, "message") : oauth_text(json, "error_description");

    if (*sentence == '\0')
        sentence = oauth_text(json, "message");
    *remark = (struct remark){ "", "" };
    if (!oauth_repeats(word, source->secret) && !oauth_repeats(word, key))
        oauth_take_word(word, remark->error, sizeof remark->error);
    if (!oauth_repeats(sentence, source->secret) && !oauth_repeats(sentence, key))
        oauth_take_sentence(sentence, remark->description);
}

/* "name says error: description (HTTP 400)", as far as it is told. */
static void tell(const struct identity_source *source, const struct http_reply *reply, const struct remark *remark,
                 char *text, size_t size)
{
    const char *error = remark->error, *description = remark->description;

    if (*error != '\0' || *description != '\0')
        snprintf(text, size, "%s says %s%s%s (HTTP %ld)", source->name, error,
                 *error != '\0' && *description != '\0' ? ": " : "", description, reply->status);
    else
        snprintf(text, size, "%s answers HTTP %ld with %s", source->name, reply->status,
                 reply->is_html ? "a web page" : "no word about it");
}

static enum bearer_status explain_request(const struct bearer_request *request, const struct remark *remark,
                                          const char *said, struct bearer_error *err)
{
    const struct catalogue_row *row = catalogue_find(oauth_aadsts(remark->description));
    const char *wish = oauth_option(request, "oauth2_managed_identity");

    if (row != NULL)
        return bearer_fail(err, BEARER_CONFIG, "%s; %s", said, row->remedy);
    if (wish != NULL && strcmp(wish, "system") != 0)
        return bearer_fail(err, BEARER_CONFIG,
                           "%s; is the identity that oauth2_managed_identity names assigned to this machine?", said);
    return bearer_fail(
        err, BEARER_CONFIG,
        "%s; has this machine an identity of its own?  Turn it on in the Azure portal, or name another one by "
        "oauth2_managed_identity",
        said);
}

static enum bearer_status explain_status(const struct bearer_request *request, const struct identity_source *source,
                                         const struct http_reply *reply, const struct remark *remark,
                                         struct bearer_error *err)
{
    bool spoken = remark->error[0] != '\0' || remark->description[0] != '\0';
    char said[sizeof source->name + sizeof *remark + 32];

    tell(source, reply, remark, said, sizeof said);
    if (reply->status == 400)
        return explain_request(request, remark, said, err);
    if (reply->status == 404 || reply->status == GONE)
        return bearer_fail(err, BEARER_LATER, "%s; it is being updated%s", said,
                           spoken ? "" : ", or this machine is not on Azure");
    if (reply->status == 429)
        return bearer_fail(err, BEARER_LATER, "%s; it is asked too often and wants a pause", said);
    if ((reply->status == 502 || reply->status == 504) && !spoken)
        return bearer_fail(err, BEARER_LATER, "%s; this machine seems not to be on Azure: somebody in between answers",
                           said);
    if (reply->status >= 500)
        return bearer_fail(err, BEARER_LATER, "%s; it has trouble of its own", said);
    if (reply->status >= 400)
        return bearer_fail(err, BEARER_REFUSED, "%s; %s", said, source->service->refused);
    if (reply->status >= 300)
        return bearer_fail(err, BEARER_LATER, "%s; a redirect is never followed", said);
    return bearer_fail(err, BEARER_LATER, "%s; that is no token", said);
}

static enum bearer_status explain(const struct bearer_request *request, const struct identity_source *source,
                                  const char *key, const struct http_reply *reply, const json_t *json,
                                  struct bearer_error *err)
{
    long code;
    struct remark remark;
    enum bearer_status st;

    take_remark(json, source, key, &remark);
    st = explain_status(request, source, reply, &remark, err);
    code = oauth_aadsts(remark.description); /* the identity's own errors carry Microsoft's numbers, as any application's */
    err->retry_after = reply->retry_after;
    if (reply->status == GONE && err->retry_after < UPDATE_TIME)
        err->retry_after = UPDATE_TIME;
    if (code > 0)
        snprintf(err->cause, sizeof err->cause, "AADSTS%ld", code);
    else
        snprintf(err->cause, sizeof err->cause, "%.*s", (int)sizeof err->cause - 1, remark.error);
    return st;
}

/* ------------------------------------------------------------------ tokens */

static bool is_told(const json_t *value)
{
    return value != NULL && !json_is_null(value);
}

/* How long the token lives.  App Service tells only when it ends, and the two may come as any type. */
static enum bearer_status read_lifetime(const struct identity_source *source, const json_t *json, int64_t now,
                                        int64_t *lifetime_out, struct bearer_error *err)
{
    const json_t *in = json_object_get(json, "expires_in"), *on = json_object_get(json, "expires_on");
    int64_t end;

    if (expiry_seconds(in, lifetime_out) && *lifetime_out > 0)
        return BEARER_OK;
    if (expiry_read(on, now, &end)) {
        *lifetime_out = end - now;
        if (*lifetime_out > 0)
            return BEARER_OK;
        return bearer_fail(err, BEARER_LATER, "the token of %s has ended already; is this machine's clock right?",
                           source->name);
    }
    if (is_told(in) || is_told(on))
        return bearer_fail(err, BEARER_PEER, "the answer of %s has an expires_in or expires_on that is no time to live",
                           source->name);
    return BEARER_OK;
}

static int64_t read_refresh_in(const json_t *json, int64_t lifetime)
{
    int64_t refresh_in;

    if (expiry_seconds(json_object_get(json, "refresh_in"), &refresh_in) && refresh_in > 0)
        return refresh_in;
    return lifetime >= LONG_LIFE ? lifetime / 2 : 0;
}

/* A refresh_token is there, too, but it is empty: a managed identity has none. */
static enum bearer_status grant(const struct bearer_request *request, const struct identity_source *source,
                                const json_t *json, int64_t now, struct bearer_error *err)
{
    struct bearer_grant granted = { .access_token = json_string_value(json_object_get(json, "access_token")) };
    const json_t *type = json_object_get(json, "token_type");
    enum bearer_status st;

    if (granted.access_token == NULL || *granted.access_token == '\0')
        return bearer_fail(err, BEARER_PEER, "the answer of %s holds no access_token", source->name);
    if (is_told(type) && (!json_is_string(type) || strcasecmp(json_string_value(type), "bearer") != 0))
        return bearer_fail(err, BEARER_PEER, "the answer of %s is not of token_type Bearer", source->name);
    st = read_lifetime(source, json, now, &granted.lifetime, err);
    if (st != BEARER_OK)
        return st;
    granted.refresh_in = read_refresh_in(json, granted.lifetime);
    request->grant(request->context, &granted);
    return BEARER_OK;
}

enum bearer_status identity_reply_read(const struct bearer_request *request, const struct identity_source *source,
                                       const char *key, const struct http_reply *reply, int64_t now,
                                       struct bearer_error *err)
{
    struct oauth_reply parsed = { oauth_parse(reply), "" };
    bool success = reply->status >= 200 && reply->status < 300 && json_is_object(parsed.json) &&
                   !is_told(json_object_get(parsed.json, "error"));
    enum bearer_status st =
        success ? grant(request, source, parsed.json, now, err) : explain(request, source, key, reply, parsed.json, err);

    oauth_reply_clear(&parsed);
    return st;
}
