/* managed_identity.c - a machine on Azure, or joined to it, has an identity of its own and needs no secret
 * (Microsoft's how-to-use-vm-token). */
#include "credential/clock.h"
#include "credential/text.h"
#include "provider/arc.h"
#include "provider/http.h"
#include "provider/identity_reply.h"
#include "provider/identity_source.h"
#include "provider/oauth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_TIME 2000 /* ms; it is this machine, or the one that carries it */
#define TRY_TIME     8000 /* ms that one try may take, so that there can be another one */
#define ROOM         1000 /* ms; a try that has less is not worth a wait */
#define SUFFIX       "/.default"

struct question {
    const struct bearer_request *request;
    struct identity_source source;
    struct http_field query[4];
    char *resource;
    struct bearer_secret key; /* Azure Arc's */
};

static void question_clear(struct question *question)
{
    identity_source_clear(&question->source);
    bearer_secret_clear(&question->key);
    free(question->resource);
}

/* A managed identity's token is for a resource, with all the roles that it has there: that is a scope /.default. */
static enum bearer_status take_resource(const struct bearer_request *request, char **resource_out, struct bearer_error *err)
{
    const char *scope = oauth_option(request, "oauth2_scope");
    size_t length = scope != NULL ? strlen(scope) : 0;

    if (length <= strlen(SUFFIX) || strcmp(scope + length - strlen(SUFFIX), SUFFIX) != 0 || strchr(scope, ' ') != NULL)
        return bearer_fail(err, BEARER_CONFIG, "oauth2_scope is '%s'; a managed identity needs one that ends in " SUFFIX,
                           scope != NULL ? scope : "");
    *resource_out = strndup(scope, length - strlen(SUFFIX));
    return *resource_out != NULL ? BEARER_OK : bearer_fail(err, BEARER_NOMEM, "out of memory");
}

static enum bearer_status compose(struct question *question, struct bearer_error *err)
{
    const char *wish = oauth_option(question->request, "oauth2_managed_identity");
    struct http_field identity;
    enum bearer_status st;

    if ((st = take_resource(question->request, &question->resource, err)) != BEARER_OK ||
        (st = identity_source_find(&question->source, err)) != BEARER_OK ||
        (st = identity_source_choose(&question->source, wish, &identity, err)) != BEARER_OK)
        return st;
    question->query[0] = (struct http_field){ "api-version", question->source.service->version };
    question->query[1] = (struct http_field){ "resource", question->resource };
    question->query[2] = identity; /* none ends the list */
    return BEARER_OK;
}

/* ------------------------------------------------------------------ asking */

/* One request.  authorization is one more header, or NULL. */
static enum bearer_status send_question(const struct question *question, const char *authorization, struct http_reply *reply,
                                        struct bearer_error *err)
{
    const struct bearer_request *request = question->request;
    const char *const headers[] = { bearer_secret_reveal(&question->source.header), authorization, NULL };
    int64_t deadline = bearer_monotonic() + TRY_TIME;
    const struct http_request http = {
        .url = question->source.url,
        .query = question->query,
        .headers = headers,
        .ca_file = request->ca_file,
        .ca_pem = request->ca_pem,
        .ca_pem_length = request->ca_pem_length,
        .deadline = deadline < request->deadline ? deadline : request->deadline,
        .connect_time = CONNECT_TIME,
        .once = true,
    };
    enum bearer_status st = http_send(&http, reply, err);

    if (st == BEARER_LATER && reply->unreachable && err->text[0] != '\0') {
        size_t length = strlen(err->text);

        snprintf(err->text + length, sizeof err->text - length, "; %s", question->source.service->silent);
    }
    if (st != BEARER_OK)
        bearer_error_prepend(err, "%s gives no token: ", question->source.name);
    return st;
}

/* Asks once more, with what stands in the file that Azure Arc's agent named. */
static enum bearer_status answer_challenge(struct question *question, struct http_reply *reply, struct bearer_error *err)
{
    static const char scheme[] = "Authorization: Basic ";
    struct bearer_secret line = BEARER_SECRET_INIT;
    enum bearer_status st;

    bearer_secret_clear(&question->key);
    st = arc_read_key(ARC_KEYS, reply->challenge, &question->key, err);
    if (st == BEARER_OK)
        st = bearer_secret_reserve(&line, strlen(scheme) + question->key.length, err);
    if (st != BEARER_OK) {
        bearer_error_prepend(err, "%s wants to know us: ", question->source.name);
        return st;
    }
    snprintf(line.bytes, line.length + 1, "%s%s", scheme, bearer_secret_reveal(&question->key));
    http_reply_clear(reply);
    st = send_question(question, bearer_secret_reveal(&line), reply, err);
    bearer_secret_clear(&line);
    return st;
}

/* One try.  BEARER_OK: *reply is an answer that counts, whatever its status. */
static enum bearer_status try_once(struct question *question, struct http_reply *reply, struct bearer_error *err)
{
    enum bearer_status st = send_question(question, NULL, reply, err);

    if (st == BEARER_OK && reply->status == 401 && question->source.service->challenges)
        st = answer_challenge(question, reply, err);
    return st;
}

/* Asks until there is an answer that would not change, or until it would be too late to ask again. */
static enum bearer_status ask(struct question *question, struct http_reply *reply, struct bearer_error *err)
{
    int64_t deadline = question->request->deadline;
    enum bearer_status st;

    for (unsigned tries = 1;; tries++) {
        int64_t pause;

        st = try_once(question, reply, err);
        pause = identity_reply_pause(st, reply, tries);
        if (pause < 0 || bearer_monotonic() + pause + ROOM >= deadline)
            return st;
        bearer_sleep(pause);
        http_reply_clear(reply);
        bearer_error_clear(err);
    }
}

/* ------------------------------------------------------------------ the provider */

static enum bearer_status prepare(void)
{
    identity_source_prepare();
    return http_prepare(NULL);
}

static enum bearer_status fetch(const struct bearer_request *request)
{
    struct question question = { .request = request, .source = IDENTITY_SOURCE_INIT, .key = BEARER_SECRET_INIT };
    struct http_reply reply = HTTP_REPLY_INIT;
    struct bearer_error err = BEARER_ERROR_INIT;
    enum bearer_status st = compose(&question, &err);

    if (st == BEARER_OK)
        st = ask(&question, &reply, &err);
    if (st == BEARER_OK)
        st = identity_reply_read(request, &question.source, bearer_secret_reveal(&question.key), &reply, bearer_now(), &err);
    http_reply_clear(&reply);
    question_clear(&question);
    return st == BEARER_OK ? st : oauth_fail(request, &err);
}

const struct bearer_provider bearer_provider = {
    .abi = BEARER_PROVIDER_ABI,
    .name = "managed_identity",
    .summary = "the identity that Azure gives this machine",
    .flags = BEARER_REPEATABLE,
    .prepare = prepare,
    .fetch = fetch,
};
