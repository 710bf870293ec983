/* oauth.h - a conversation with an OAuth 2.0 server: form out, JSON in, errors made understandable (RFC 6749 section 5). */
#ifndef BEARER_OAUTH_H
#define BEARER_OAUTH_H

#include "credential/error.h"
#include "credential/provider.h"
#include "provider/http.h"

#include <jansson.h>
#include <stdbool.h>

struct oauth_reply {
    json_t *json;    /* an object; NULL after a failure */
    char error[64];  /* the server's "error" member; empty if there was none */
};

#define OAUTH_REPLY_INIT { NULL, "" }

/* Posts a form to an endpoint and reads the answer.  BEARER_OK: a JSON object without "error".  Else the status that fits the
 * server's answer (RFC 6749 section 5.2, Microsoft's reference-error-codes), with what it said and what to do about it in the text.  Whatever cannot be understood is
 * BEARER_LATER: nothing is ever thrown away on doubt.  */
enum bearer_status oauth_post(const struct bearer_request *request, const char *endpoint, const struct http_field *form,
                              int64_t deadline, struct oauth_reply *reply, struct bearer_error *err);

/* Explains an error that came by another way than oauth_post(), such as a browser's (RFC 6749 section 4.1.2.1): reply->json
 * has its members, its name goes to reply->error, status and text are as there. */
enum bearer_status oauth_explain(const struct bearer_request *request, struct oauth_reply *reply, struct bearer_error *err);

void oauth_reply_clear(struct oauth_reply *reply);

/* Wipes an object's strings, which may be tokens and codes, where they lie (jansson does not), and lets go of it. */
void oauth_forget(json_t *json);

/* Reads a token endpoint's success (RFC 6749 section 5.1) and grants it.  credential_expires: of what we asked with, as in
 * struct bearer_grant.  BEARER_PEER: the answer lacks something or has the wrong type; then at most a refresh token is
 * granted. */
enum bearer_status oauth_grant(const struct bearer_request *request, const struct oauth_reply *reply,
                               int64_t credential_expires, struct bearer_error *err);

/* Posts to the token endpoint and grants or fails. */
enum bearer_status oauth_fetch(const struct bearer_request *request, const struct http_field *form,
                               int64_t credential_expires);

/* Passes an error on as the request's failure.  Returns its status. */
enum bearer_status oauth_fail(const struct bearer_request *request, const struct bearer_error *err);

/* Gives the account's scopes, and with them, if a person is to be identified, OpenID's for an ID token that says who it is.  NULL
 * without memory.  Free it. */
char *oauth_scope(const struct bearer_request *request);

/* Lends an option, or NULL if it is not set; and its value. */
const struct bearer_option *oauth_option_row(const struct bearer_request *request, const char *name);
const char *oauth_option(const struct bearer_request *request, const char *name);

/* ------------------------------------------------------------------ what the other side says */

#define OAUTH_SENTENCE_MAX 360 /* bytes of a server's description that are shown */

/* Reads an answer's body, whatever its status; NULL if it is no JSON.  Let go of it by oauth_forget(). */
json_t *oauth_parse(const struct http_reply *answer);

/* Lends a member that is a text; "" if there is none. */
const char *oauth_text(const json_t *json, const char *name);

/* Takes one word that may stand in a log line as it is: an error's name, a correlation id.  Empty if the text is none. */
void oauth_take_word(const char *text, char *out, size_t size);

/* Takes the sentence of a description, fit to be logged, without the traces behind it. */
void oauth_take_sentence(const char *text, char out[OAUTH_SENTENCE_MAX]);

/* Whether a text holds a secret.  NULL and "" are none. */
bool oauth_repeats(const char *text, const char *secret);

/* Microsoft's number in a description, such as 70008 of "AADSTS70008: ..."; 0 = none. */
long oauth_aadsts(const char *description);

#endif
