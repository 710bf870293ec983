/* client_auth.c - see client_auth.h */
#include "provider/client_auth.h"

#include "credential/clock.h"
#include "credential/secret.h"
#include "provider/assertion.h"
#include "provider/http.h"
#include "provider/key.h"
#include "provider/oauth.h"

#include <stdlib.h>
#include <string.h>

#define ASSERTION_TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

/* Signs with the account's certificate (Microsoft's certificate-credentials). */
static enum bearer_status use_certificate(const struct bearer_request *request, const struct bearer_option *certificate,
                                          const char *audience, struct client_auth *auth, struct bearer_error *err)
{
    struct key key = KEY_INIT;
    int64_t now = bearer_now();
    enum bearer_status st = key_load(certificate, oauth_option_row(request, "oauth2_client_key"),
                                     oauth_option(request, "oauth2_client_key_passphrase"), now, &key, err);

    if (st == BEARER_OK)
        st = assertion_make(&key, oauth_option(request, "oauth2_client_assertion_alg"),
                            oauth_option(request, "oauth2_client_id"), audience, now, &auth->assertion, err);
    auth->expires = key.expires;
    key_clear(&key);
    return st;
}

/* Hands on what another party has signed (Microsoft's workload-identity-federation). */
static enum bearer_status use_token(const char *token, struct client_auth *auth, struct bearer_error *err)
{
    auth->assertion = strdup(token);
    return auth->assertion != NULL ? BEARER_OK : bearer_fail(err, BEARER_NOMEM, "out of memory");
}

enum bearer_status client_auth_begin(const struct bearer_request *request, const char *audience, struct client_auth *auth,
                                     struct bearer_error *err)
{
    const struct bearer_option *certificate = oauth_option_row(request, "oauth2_client_certificate");
    const char *token = oauth_option(request, "oauth2_federated_token");
    enum bearer_status st = BEARER_OK;

    *auth = (struct client_auth)CLIENT_AUTH_INIT;
    if (certificate != NULL)
        st = use_certificate(request, certificate, audience, auth, err);
    else if (token != NULL)
        st = use_token(token, auth, err);
    else
        auth->secret = oauth_option(request, "oauth2_client_secret");
    if (auth->assertion != NULL)
        auth->assertion_type = ASSERTION_TYPE;
    return st;
}

void client_auth_clear(struct client_auth *auth)
{
    bearer_wipe_string(auth->assertion);
    free(auth->assertion);
    *auth = (struct client_auth)CLIENT_AUTH_INIT;
}

enum bearer_status client_auth_prepare(void)
{
    key_prepare();
    return http_prepare(NULL);
}
