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

/* Reads a number of seconds that may come as integer, real or string, and cuts it to a whole one; false (and 0) if it is none of
 * them or negative. */
bool oauth_number(const json_t *value, int64_t *number_out);

#endif
