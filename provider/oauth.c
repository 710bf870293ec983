/* oauth.c - see oauth.h */
#include "provider/oauth.h"

#include "credential/clock.h"
#include "credential/secret.h"
#include "credential/text.h"
#include "provider/catalogue.h"
#include "provider/expiry.h"
#include "provider/jwt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SECRET_WRONG 7000215 /* Microsoft's numbers for a secret that is not the application's */
#define SECRET_DIFFERS 70002
#define POLICY_BLOCKS 53003  /* Conditional Access, which can forbid device codes (RFC 8628), */
#define FLOW_FORBIDDEN 530036 /* or a sign-in that a device code began */

const struct bearer_option *oauth_option_row(const struct bearer_request *request, const char *name)
{
    for (const struct bearer_option *option = request->options; option->name != NULL; option++)
        if (strcmp(option->name, name) == 0)
            return option->value != NULL ? option : NULL;
    return NULL;
}

const char *oauth_option(const struct bearer_request *request, const char *name)
{
    const struct bearer_option *option = oauth_option_row(request, name);

    return option != NULL ? option->value : NULL;
}

char *oauth_scope(const struct bearer_request *request)
{
    const char *scope = oauth_option(request, "oauth2_scope");
    bool extra = request->identify && !bearer_text_has_word(scope, "openid");

    return bearer_text_format("%s%s", scope, extra ? " openid profile" : "");
}

enum bearer_status oauth_fail(const struct bearer_request *request, const struct bearer_error *err)
{
    const struct bearer_failure failure = {
        .status = err->status,
        .cause = err->cause[0] != '\0' ? err->cause : NULL,
        .retry_after = err->retry_after,
        .text = err->text,
    };

    request->fail(request->context, &failure);
    return err->status;
}

void oauth_forget(json_t *json)
{
    const char *name;
    json_t *value;

    json_object_foreach (json, name, value)
        if (json_is_string(value))
            bearer_wipe((char *)(uintptr_t)json_string_value(value), json_string_length(value));
    json_decref(json);
}

void oauth_reply_clear(struct oauth_reply *reply)
{
    oauth_forget(reply->json);
    *reply = (struct oauth_reply)OAUTH_REPLY_INIT;
}

/* ------------------------------------------------------------------ what the other side says */

/* An integer beyond 64 bits somewhere must not cost the rest: the answer may hold a refresh token. */
json_t *oauth_parse(const struct http_reply *answer)
{
    json_t *json = NULL;

    if (answer->body != NULL)
        json = json_loadb(answer->body, answer->length, JSON_REJECT_DUPLICATES, NULL);
    if (json == NULL && answer->body != NULL)
        json = json_loadb(answer->body, answer->length, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
    return json;
}

const char *oauth_text(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));

    return text != NULL ? text : "";
}

bool oauth_repeats(const char *text, const char *secret)
{
    return secret != NULL && *secret != '\0' && strstr(text, secret) != NULL;
}

void oauth_take_word(const char *text, char *out, size_t size)
{
    size_t length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._");

    snprintf(out, size, "%s", text[length] == '\0' && length < size ? text : "");
}

void oauth_take_sentence(const char *text, char out[OAUTH_SENTENCE_MAX])
{
    static const char *const ends[] = { "\r\n", "\n", " Trace ID:", " Correlation ID:", " Timestamp:" };
    size_t length = strlen(text);

    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        const char *end = strstr(text, ends[i]);

        if (end != NULL && (size_t)(end - text) < length)
            length = (size_t)(end - text);
    }
    while (length > 0 && strchr(". ", text[length - 1]) != NULL)
        length--;
    bearer_text_printable(out, OAUTH_SENTENCE_MAX, text, length);
}

long oauth_aadsts(const char *description)
{
    const char *found = strstr(description, "AADSTS");

    return found != NULL ? strtol(found + strlen("AADSTS"), NULL, 10) : 0;
}

/* ------------------------------------------------------------------ errors */

/* Microsoft's number for the error, or 0: the first of error_codes, else from the description. */
static long aadsts_code(const json_t *json)
{
    const json_t *codes = json_object_get(json, "error_codes");

    if (json_is_array(codes) && json_is_integer(json_array_get(codes, 0)))
        return (long)json_integer_value(json_array_get(codes, 0));
    return oauth_aadsts(oauth_text(json, "error_description"));
}

/* Whether a text of the other side repeats the secrets that we sent, as they are or as a form: then it is shown nowhere. */
static bool repeats_form(const struct http_field *form, const char *text)
{
    static const char *const secrets[] = { "client_secret=", "client_assertion=", "refresh_token=",
                                           "device_code=",   "code_verifier=",    "code=" };

    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        size_t length = strlen(secrets[i]) - 1;

        if (oauth_repeats(text, secrets[i]))
            return true;
        for (const struct http_field *field = form; field != NULL && field->name != NULL; field++)
            if (strlen(field->name) == length && strncmp(field->name, secrets[i], length) == 0 &&
                oauth_repeats(text, field->value))
                return true;
    }
    return false;
}

/* 8-4-4-4-12 hexadecimal digits. */
static bool is_guid(const char *text)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    size_t i;

    for (i = 0; form[i] != '\0' && text[i] != '\0'; i++)
        if (form[i] == 'x' ? strchr("0123456789ABCDEFabcdef", text[i]) == NULL : text[i] != form[i])
            return false;
    return form[i] == text[i];
}

/* A text of the other side, or nothing if it repeats what was sent. */
static const char *discreet(const struct http_field *form, const char *text)
{
    return repeats_form(form, text) ? "" : text;
}

/* Whether the secret that was refused is a GUID, as the secret's ID is, which stands beside its Value. */
static bool is_secrets_id(const struct bearer_request *request, long code)
{
    const char *secret = oauth_option(request, "oauth2_client_secret");

    return (code == SECRET_WRONG || code == SECRET_DIFFERS) && secret != NULL && is_guid(secret);
}

/* Whether a policy refuses somebody who signs in by device code, and may well take them by browser. */
static bool is_device_refused(const struct http_field *form, long code)
{
    for (; form != NULL && form->name != NULL; form++)
        if (strcmp(form->name, "device_code") == 0)
            return code == POLICY_BLOCKS || code == FLOW_FORBIDDEN;
    return false;
}

static const char *remedy_for(const struct bearer_request *request, const struct http_field *form, long code, bool person,
                              enum bearer_status st)
{
    const struct catalogue_row *row = catalogue_find(code);

    if (is_secrets_id(request, code))
        return "the configured secret is a GUID, which is the secret's ID: put the secret's Value there";
    if (is_device_refused(form, code))
        return "leave out --device and sign in by browser: a policy forbids device codes, or this sign-in as a whole";
    return row != NULL && (person || row->who != CATALOGUE_USER) ? row->remedy : catalogue_remedy(st);
}

static void take_error(const struct http_field *form, struct oauth_reply *reply)
{
    oauth_take_word(discreet(form, oauth_text(reply->json, "error")), reply->error, sizeof reply->error);
}

static enum bearer_status explain_error(const struct bearer_request *request, const struct http_field *form,
                                        const struct oauth_reply *reply, int64_t retry_after, struct bearer_error *err)
{
    const char *error = reply->error;
    char description[OAUTH_SENTENCE_MAX], correlation[64];
    long code = aadsts_code(reply->json);
    bool person = strcmp(oauth_option(request, "oauth2_provider"), "app_only") != 0;
    enum bearer_status st = catalogue_status(error, code, person);

    oauth_take_sentence(discreet(form, oauth_text(reply->json, "error_description")), description);
    oauth_take_word(discreet(form, oauth_text(reply->json, "correlation_id")), correlation, sizeof correlation);
    bearer_fail(err, st, "the identity provider says %s%s%s; %s%s%s",
                *error != '\0' ? error : "something that is no error's name", description[0] != '\0' ? ": " : "",
                description, remedy_for(request, form, code, person, st), correlation[0] != '\0' ? " correlation_id=" : "",
                correlation);
    err->retry_after = retry_after;
    if (code > 0)
        snprintf(err->cause, sizeof err->cause, "AADSTS%ld", code);
    else
        snprintf(err->cause, sizeof err->cause, "%.*s", (int)sizeof err->cause - 1, error);
    return st;
}

enum bearer_status oauth_explain(const struct bearer_request *request, struct oauth_reply *reply, struct bearer_error *err)
{
    take_error(NULL, reply);
    return explain_error(request, NULL, reply, 0, err);
}

static bool is_success(const struct http_reply *answer)
{
    return answer->status >= 200 && answer->status < 300;
}

/* An answer that OAuth does not know: a proxy's, a captive portal's, an outage's.  Nothing of it is shown: it may repeat what we
 * sent, or hold a token. */
static enum bearer_status explain_body(const char *endpoint, const struct http_reply *answer, struct bearer_error *err)
{
    enum bearer_status st;
    char pause[40] = "";

    if (answer->retry_after > 0)
        snprintf(pause, sizeof pause, " of %lld s", (long long)answer->retry_after);
    if (answer->status == 429)
        st = bearer_fail(err, BEARER_LATER, "%s is asked too often and wants a pause%s", endpoint, pause);
    else if (answer->status >= 500)
        st = bearer_fail(err, BEARER_LATER, "%s has trouble of its own (HTTP %ld)", endpoint, answer->status);
    else if (answer->status >= 300 && answer->status < 400)
        st = bearer_fail(err, BEARER_LATER, "%s answers with a redirect (HTTP %ld), which is never followed", endpoint,
                         answer->status);
    else if (is_success(answer))
        st = bearer_fail(err, BEARER_LATER,
                         "%s answers with something else than a token; is a proxy or a login page in between?", endpoint);
    else
        st = bearer_fail(err, BEARER_LATER, "%s answers HTTP %ld with %s instead of an OAuth error; is the address right?", endpoint,
                         answer->status, answer->is_html ? "a web page" : "something");
    err->retry_after = answer->retry_after;
    return st;
}

/* ------------------------------------------------------------------ asking */

static enum bearer_status read_reply(const struct bearer_request *request, const char *endpoint,
                                     const struct http_field *form, const struct http_reply *answer, struct oauth_reply *reply,
                                     struct bearer_error *err)
{
    enum bearer_status st;

    reply->json = oauth_parse(answer);
    if (*oauth_text(reply->json, "error") != '\0') { /* Entra reports device code errors with HTTP 200: look here first */
        bool passes = answer->status == 429 || answer->status >= 500;

        take_error(form, reply);
        if (passes && aadsts_code(reply->json) == 0)
            st = explain_body(endpoint, answer, err);
        else
            st = explain_error(request, form, reply, answer->retry_after, err);
        if (passes)
            st = err->status = BEARER_LATER;
    } else if (!json_is_object(reply->json) || !is_success(answer)) {
        st = explain_body(endpoint, answer, err);
    } else {
        return BEARER_OK;
    }
    oauth_forget(reply->json);
    reply->json = NULL;
    return st;
}

/* What may be shown of a form; everything else is a secret, or may become one. */
static bool is_public(const char *name)
{
    static const char *const names[] = { "grant_type", "client_id", "scope", "redirect_uri", "client_assertion_type" };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* Notes what was asked and how it ended, for those who look closely. */
static void note_request(const struct bearer_request *request, const char *endpoint, const struct http_field *form,
                         const char *end, int64_t began)
{
    char line[500];
    size_t used = (size_t)snprintf(line, sizeof line, "POST %.200s", endpoint);

    for (; form->name != NULL && used < sizeof line; form++)
        if (form->value != NULL)
            used += (size_t)snprintf(line + used, sizeof line - used, " %s=%.120s", form->name,
                                     is_public(form->name) ? form->value : "***");
    if (used > sizeof line - 60)
        used = sizeof line - 60;
    snprintf(line + used, sizeof line - used, " -> %s in %lld ms", end, (long long)(bearer_monotonic() - began));
    request->log(request->context, BEARER_LOG_NOTE, line);
}

enum bearer_status oauth_post(const struct bearer_request *request, const char *endpoint, const struct http_field *form,
                              int64_t deadline, struct oauth_reply *reply, struct bearer_error *err)
{
    const struct http_request http = {
        .url = endpoint,
        .form = form,
        .proxy = oauth_option(request, "oauth2_proxy"),
        .ca_file = request->ca_file,
        .ca_pem = request->ca_pem,
        .ca_pem_length = request->ca_pem_length,
        .deadline = deadline,
    };
    struct http_reply answer = HTTP_REPLY_INIT;
    int64_t began = bearer_monotonic();
    enum bearer_status st = http_send(&http, &answer, err);
    char end[24] = "no answer";

    if (st == BEARER_OK)
        snprintf(end, sizeof end, "HTTP %ld", answer.status);
    note_request(request, endpoint, form, end, began);
    if (st == BEARER_OK)
        st = read_reply(request, endpoint, form, &answer, reply, err);
    http_reply_clear(&answer);
    return st;
}

/* ------------------------------------------------------------------ what came */

/* Gives the claims of an ID token, or NULL.  Its signature need not be checked: it came from the token endpoint itself, over
 * verified TLS (OpenID Connect Core 3.1.3.7). */
static json_t *id_token_claims(const char *id_token)
{
    return id_token != NULL ? jwt_claims(id_token) : NULL;
}

/* The address of whoever signed in. */
static const char *claimed_user(const json_t *claims)
{
    static const char *const names[] = { "preferred_username", "upn", "email", "unique_name" };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *user = oauth_text(claims, names[i]);

        if (strchr(user, '@') != NULL)
            return user;
    }
    return NULL;
}

/* What is wrong with a success, if anything. */
static enum bearer_status check_success(const json_t *json, struct bearer_error *err)
{
    const json_t *refresh = json_object_get(json, "refresh_token"), *type = json_object_get(json, "token_type");

    if (!json_is_string(json_object_get(json, "access_token")))
        return bearer_fail(err, BEARER_PEER, "the token endpoint's answer holds no access_token");
    if (type != NULL && (!json_is_string(type) || strcasecmp(json_string_value(type), "bearer") != 0))
        return bearer_fail(err, BEARER_PEER, "the token endpoint's answer is not of token_type Bearer");
    if (refresh != NULL && !json_is_null(refresh) && !json_is_string(refresh))
        return bearer_fail(err, BEARER_PEER, "the token endpoint's answer has a refresh_token that is no string");
    return BEARER_OK;
}

/* How long a token lives.  An answer without a word about it means the usual lifetime. */
static enum bearer_status read_lifetime(const json_t *json, struct bearer_grant *grant, struct bearer_error *err)
{
    const json_t *expires = json_object_get(json, "expires_in");

    if (expires != NULL && !json_is_null(expires) && (!expiry_seconds(expires, &grant->lifetime) || grant->lifetime == 0))
        return bearer_fail(err, BEARER_PEER, "the token endpoint's answer has an expires_in that is no time to live");
    if (!expiry_seconds(json_object_get(json, "refresh_in"), &grant->refresh_in))
        grant->refresh_in = 0;
    return BEARER_OK;
}

enum bearer_status oauth_grant(const struct bearer_request *request, const struct oauth_reply *reply,
                               int64_t credential_expires, struct bearer_error *err)
{
    const json_t *json = reply->json, *refresh = json_object_get(json, "refresh_token");
    struct bearer_grant grant = {
        .access_token = json_string_value(json_object_get(json, "access_token")),
        .credential_expires = credential_expires,
    };
    json_t *claims = id_token_claims(json_string_value(json_object_get(json, "id_token")));
    enum bearer_status st;

    if ((st = check_success(json, err)) == BEARER_OK)
        st = read_lifetime(json, &grant, err);
    if (st != BEARER_OK)
        grant.access_token = NULL;
    if (json_string_length(refresh) > 0)
        grant.refresh_token = json_string_value(refresh);
    grant.user = claimed_user(claims);
    if (grant.access_token != NULL || grant.refresh_token != NULL)
        request->grant(request->context, &grant);
    json_decref(claims);
    return st;
}

enum bearer_status oauth_fetch(const struct bearer_request *request, const struct http_field *form,
                               int64_t credential_expires)
{
    struct oauth_reply reply = OAUTH_REPLY_INIT;
    struct bearer_error err = BEARER_ERROR_INIT;
    enum bearer_status st = oauth_post(request, oauth_option(request, "oauth2_token_endpoint"), form, request->deadline,
                                       &reply, &err);

    if (st == BEARER_OK)
        st = oauth_grant(request, &reply, credential_expires, &err);
    oauth_reply_clear(&reply);
    return st == BEARER_OK ? st : oauth_fail(request, &err);
}
