/* device.c - see device.h */
#include "provider/device.h"

#include "credential/clock.h"
#include "credential/secret.h"
#include "provider/client_auth.h"
#include "provider/expiry.h"
#include "provider/oauth.h"

#include <stdlib.h>
#include <string.h>

#define GRANT_TYPE "urn:ietf:params:oauth:grant-type:device_code"
#define DEFAULT_INTERVAL 5  /* seconds, RFC 8628 section 3.2 */
#define SLOW_DOWN 5         /* seconds more for each slow_down, section 3.5 */
#define DEFAULT_LIFETIME 900 /* seconds */
#define LIFETIME_MAX 3600   /* seconds; no person takes longer */
#define REQUEST_TIME 20000  /* ms for each poll */

struct device {
    const struct bearer_request *request;
    const struct bearer_ceremony *ceremony;
    char *scope;
    char *code; /* device_code: a secret */
    int64_t interval; /* seconds */
    int64_t ends;     /* CLOCK_MONOTONIC ms */
    int64_t credential_expires; /* as in struct bearer_grant */
};

static const char *text_member(const json_t *json, const char *name)
{
    return json_string_value(json_object_get(json, name));
}

static enum bearer_status stopped(struct bearer_error *err)
{
    return bearer_fail(err, BEARER_SIGN_IN, "the sign-in was broken off");
}

/* Asks for a code and shows it. */
static enum bearer_status begin(struct device *device, struct bearer_error *err)
{
    const struct http_field form[] = {
        { "client_id", oauth_option(device->request, "oauth2_client_id") },
        { "scope", device->scope },
        { NULL, NULL },
    };
    struct oauth_reply reply = OAUTH_REPLY_INIT;
    const char *endpoint = oauth_option(device->request, "oauth2_device_endpoint"), *code, *user_code, *uri;
    int64_t lifetime;
    enum bearer_status st;

    if (endpoint == NULL)
        return bearer_fail(err, BEARER_CONFIG, "this service has no oauth2_device_endpoint: set it, or sign in another way");
    st = oauth_post(device->request, endpoint, form, device->request->deadline, &reply, err);
    if (st != BEARER_OK)
        goto out;
    code = text_member(reply.json, "device_code");
    user_code = text_member(reply.json, "user_code");
    uri = text_member(reply.json, "verification_uri");
    if (code == NULL || user_code == NULL || uri == NULL || (device->code = strdup(code)) == NULL) {
        st = bearer_fail(err, BEARER_PEER, "the device code endpoint's answer lacks device_code, user_code or verification_uri");
        goto out;
    }
    if (!expiry_seconds(json_object_get(reply.json, "interval"), &device->interval) || device->interval == 0)
        device->interval = DEFAULT_INTERVAL;
    if (!expiry_seconds(json_object_get(reply.json, "expires_in"), &lifetime) || lifetime == 0)
        lifetime = DEFAULT_LIFETIME;
    if (lifetime > LIFETIME_MAX)
        lifetime = LIFETIME_MAX;
    device->ends = bearer_monotonic() + lifetime * 1000;
    if (device->ceremony->show(device->ceremony->context, uri, user_code, text_member(reply.json, "message"), lifetime) != 0)
        st = stopped(err);
out:
    oauth_reply_clear(&reply);
    return st;
}

/* Whether an error means only that the person is not done yet. */
static bool is_waiting(struct device *device, const struct oauth_reply *reply, enum bearer_status st)
{
    if (strcmp(reply->error, "slow_down") == 0)
        device->interval += SLOW_DOWN;
    else if (strcmp(reply->error, "authorization_pending") != 0 && (st != BEARER_LATER || reply->error[0] != '\0'))
        return false;
    return true; /* also a passing failure of the network: section 3.5 wants us to go on */
}

static enum bearer_status ended(const struct oauth_reply *reply, enum bearer_status st, struct bearer_error *err,
                                const struct bearer_error *why)
{
    if (strcmp(reply->error, "authorization_declined") == 0 || strcmp(reply->error, "access_denied") == 0)
        st = bearer_fail(err, BEARER_SIGN_IN, "the sign-in was declined");
    else if (strcmp(reply->error, "expired_token") == 0)
        st = bearer_fail(err, BEARER_SIGN_IN, "the code expired before anybody used it: start again");
    else if (err->status == BEARER_OK)
        *err = *why;
    return st;
}

/* Asks once whether the person is done, with an assertion of its own: an earlier one may be used up, or past its time. */
static enum bearer_status poll(struct device *device, struct oauth_reply *reply, struct bearer_error *err)
{
    const char *endpoint = oauth_option(device->request, "oauth2_token_endpoint");
    struct client_auth auth;
    enum bearer_status st = client_auth_begin(device->request, endpoint, &auth, err);
    const struct http_field form[] = {
        { "grant_type", GRANT_TYPE },
        { "client_id", oauth_option(device->request, "oauth2_client_id") },
        { "client_secret", auth.secret },
        { "client_assertion_type", auth.assertion_type },
        { "client_assertion", auth.assertion },
        { "device_code", device->code },
        { NULL, NULL },
    };

    oauth_reply_clear(reply);
    if (st == BEARER_OK)
        st = oauth_post(device->request, endpoint, form, bearer_monotonic() + REQUEST_TIME, reply, err);
    device->credential_expires = auth.expires;
    client_auth_clear(&auth);
    return st;
}

/* Polls until there is an end. */
static enum bearer_status wait_for_person(struct device *device, struct oauth_reply *reply, struct bearer_error *err)
{
    for (;;) {
        struct bearer_error why = BEARER_ERROR_INIT;
        enum bearer_status st;

        if (device->ceremony->wait(device->ceremony->context, device->interval * 1000) != 0)
            return stopped(err);
        if (bearer_monotonic() >= device->ends)
            return bearer_fail(err, BEARER_SIGN_IN, "the code expired before anybody used it: start again");
        if ((st = poll(device, reply, &why)) == BEARER_OK)
            return st;
        if (!is_waiting(device, reply, st))
            return ended(reply, st, err, &why);
    }
}

enum bearer_status device_sign_in(const struct bearer_request *request, const struct bearer_ceremony *ceremony)
{
    struct device device = { .request = request, .ceremony = ceremony };
    struct oauth_reply reply = OAUTH_REPLY_INIT;
    struct bearer_error err = BEARER_ERROR_INIT;
    enum bearer_status st;

    device.scope = oauth_scope(request);
    if (device.scope == NULL)
        st = bearer_fail(&err, BEARER_NOMEM, "out of memory");
    else if ((st = begin(&device, &err)) == BEARER_OK && (st = wait_for_person(&device, &reply, &err)) == BEARER_OK)
        st = oauth_grant(request, &reply, device.credential_expires, &err);
    oauth_reply_clear(&reply);
    bearer_wipe_string(device.code);
    free(device.code);
    free(device.scope);
    return st == BEARER_OK ? st : oauth_fail(request, &err);
}
