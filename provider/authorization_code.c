/* authorization_code.c - see authorization_code.h */
#include "provider/authorization_code.h"

#include "credential/clock.h"
#include "credential/secret.h"
#include "credential/text.h"
#include "provider/base64url.h"
#include "provider/client_auth.h"
#include "provider/oauth.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define RANDOM_BYTES  32 /* 43 characters of text: RFC 7636 section 4.1 */
#define REDIRECT_MAX  1024
#define REQUEST_TIME  20000 /* ms to redeem the code; the person's time does not count */
#define SHOWN_MAX     100   /* bytes of a parameter that are shown */
#define USER_DECLINED 65004 /* Microsoft's number for somebody who does not consent */

struct browser {
    const struct bearer_request *request;
    const struct bearer_ceremony *ceremony;
    const char *endpoint;
    char *scope;
    char *state;     /* the answer must repeat it, so that it belongs to this sign-in */
    char *verifier;  /* who has the code still needs this: a secret */
    char *challenge; /* its digest */
    char redirect_uri[REDIRECT_MAX];
    struct oauth_reply answer; /* what the browser brought */
};

static enum bearer_status stopped(struct bearer_error *err)
{
    return bearer_fail(err, BEARER_SIGN_IN, "the sign-in was broken off");
}

/* ------------------------------------------------------------------ what is sent */

static char *random_text(void)
{
    unsigned char bytes[RANDOM_BYTES];
    char *text = RAND_bytes(bytes, sizeof bytes) == 1 ? base64url_encode(bytes, sizeof bytes) : NULL;

    bearer_wipe(bytes, sizeof bytes);
    return text;
}

char *authorization_code_challenge(const char *verifier)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length;

    if (EVP_Digest(verifier, strlen(verifier), digest, &length, EVP_sha256(), NULL) != 1)
        return NULL;
    return base64url_encode(digest, length);
}

/* Writes a value with all but the unreserved characters as %XX (RFC 3986 section 2.3): `+` means a blank in forms alone. */
static void put_value(FILE *out, const char *value)
{
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

    for (; *value != '\0'; value++)
        if (strchr(unreserved, *value) != NULL)
            putc(*value, out);
        else
            fprintf(out, "%%%02X", (unsigned char)*value);
}

/* Gives an endpoint, which may have a query of its own, with these fields; NULL without memory.  Free it. */
static char *make_url(const char *endpoint, const struct http_field *fields)
{
    char *url = NULL, before = strchr(endpoint, '?') != NULL ? '&' : '?';
    size_t size;
    FILE *out = open_memstream(&url, &size);

    if (out == NULL)
        return NULL;
    fputs(endpoint, out);
    for (; fields->name != NULL; fields++)
        if (fields->value != NULL) {
            fprintf(out, "%c%s=", before, fields->name);
            put_value(out, fields->value);
            before = '&';
        }
    if (fclose(out) != 0) {
        free(url);
        return NULL;
    }
    return url;
}

static char *request_url(const struct browser *browser)
{
    const char *identity = browser->request->identity;
    const struct http_field fields[] = {
        { "client_id", oauth_option(browser->request, "oauth2_client_id") },
        { "response_type", "code" },
        { "redirect_uri", browser->redirect_uri },
        { "scope", browser->scope },
        { "state", browser->state },
        { "code_challenge", browser->challenge },
        { "code_challenge_method", "S256" },
        { "login_hint", strchr(identity, '@') != NULL ? identity : NULL }, /* saves typing, and other people's accounts */
        { NULL, NULL },
    };

    return make_url(browser->endpoint, fields);
}

/* ------------------------------------------------------------------ what comes back */

static int hexadecimal(char c)
{
    static const char digits[] = "0123456789ABCDEFabcdef";
    const char *found = c != '\0' ? strchr(digits, c) : NULL;
    int value = found != NULL ? (int)(found - digits) : -1;

    return value < 16 ? value : value - 6;
}

/* Undoes a form's encoding (RFC 6749 appendix B) where it lies.  False: it is none, or hides a NUL byte. */
static bool decode(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; from++, to++) {
        *to = *from == '+' ? ' ' : *from;
        if (*from == '%') {
            int high = hexadecimal(from[1]), low = high >= 0 ? hexadecimal(from[2]) : -1;

            if (low < 0 || (high == 0 && low == 0))
                return false;
            *to = (char)(high << 4 | low);
            from += 2;
        }
    }
    *to = '\0';
    return true;
}

/* Adds "name=value" to an object.  Nothing may come twice (RFC 6749 section 3.1). */
static enum bearer_status read_parameter(char *name, json_t *json, struct bearer_error *err)
{
    char *value = name + strcspn(name, "="), shown[SHOWN_MAX];

    if (*value != '\0')
        *value++ = '\0';
    if (!decode(name) || !decode(value))
        return bearer_fail(err, BEARER_PEER, "the answer in the browser is damaged: start again");
    if (json_object_get(json, name) != NULL) {
        bearer_text_printable(shown, sizeof shown, name, strlen(name));
        return bearer_fail(err, BEARER_PEER, "the answer in the browser says '%s' twice: start again", shown);
    }
    /* Not checked, for a description may be in any character set. */
    if (json_object_set_new_nocheck(json, name, json_stringn_nocheck(value, strlen(value))) != 0)
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    return BEARER_OK;
}

static enum bearer_status read_parameters(char *text, json_t *json, struct bearer_error *err)
{
    enum bearer_status st = BEARER_OK;
    char *parameter;

    while (st == BEARER_OK && (parameter = strsep(&text, "&")) != NULL)
        if (*parameter != '\0')
            st = read_parameter(parameter, json, err);
    return st;
}

static bool is_same(const char *a, const char *b)
{
    size_t length = strlen(a);

    return length == strlen(b) && CRYPTO_memcmp(a, b, length) == 0;
}

/* The length of "https://host[:port]", without the port that everybody means; 0 = no such URL. */
static size_t origin(const char *url)
{
    static const char scheme[] = "https://", port[] = ":443";
    size_t length = sizeof scheme - 1;

    if (strncasecmp(url, scheme, length) != 0)
        return 0;
    length += strcspn(url + length, "/?#");
    return strncmp(url + length - strlen(port), port, strlen(port)) == 0 ? length - strlen(port) : length;
}

/* Whether an issuer (RFC 9207) can be the one that the person was sent to.  Its name is not configured; but one that lives
 * elsewhere means that two providers were mixed up. */
static bool is_issuer(const char *issuer, const char *endpoint)
{
    size_t length = origin(issuer);

    return length > 0 && length == origin(endpoint) && strncasecmp(issuer, endpoint, length) == 0 &&
           strpbrk(issuer, "?#") == NULL;
}

/* Whether the person said no; access_denied alone may also be a policy's word. */
static bool is_declined(const json_t *json)
{
    long code = oauth_aadsts(oauth_text(json, "error_description"));

    return code == USER_DECLINED || strcmp(oauth_text(json, "error_subcode"), "cancel") == 0 ||
           (code == 0 && strcmp(oauth_text(json, "error"), "access_denied") == 0);
}

static enum bearer_status check_answer(struct browser *browser, struct bearer_error *err)
{
    const json_t *json = browser->answer.json;
    const char *issuer = oauth_text(json, "iss");
    char shown[SHOWN_MAX];

    if (!is_same(oauth_text(json, "state"), browser->state))
        return bearer_fail(err, BEARER_PEER, "the answer in the browser belongs to another sign-in: start again");
    if (*issuer != '\0' && !is_issuer(issuer, browser->endpoint)) {
        bearer_text_printable(shown, sizeof shown, issuer, strlen(issuer));
        return bearer_fail(err, BEARER_PEER,
                           "the answer in the browser comes from '%s', not from oauth2_authorization_endpoint: start again",
                           shown);
    }
    if (*oauth_text(json, "error") != '\0')
        return is_declined(json) ? bearer_fail(err, BEARER_SIGN_IN, "the sign-in was declined")
                                 : oauth_explain(browser->request, &browser->answer, err);
    if (*oauth_text(json, "code") == '\0')
        return bearer_fail(err, BEARER_PEER, "the answer in the browser holds no code: start again");
    return BEARER_OK;
}

/* ------------------------------------------------------------------ step by step */

/* Makes what is new for each sign-in, and is ready for the answer. */
static enum bearer_status begin(struct browser *browser, struct bearer_error *err)
{
    const struct bearer_ceremony *ceremony = browser->ceremony;

    if (browser->endpoint == NULL)
        return bearer_fail(err, BEARER_CONFIG,
                           "this service has no oauth2_authorization_endpoint: set it, or sign in with --device");
    browser->scope = oauth_scope(browser->request);
    browser->state = random_text();
    browser->verifier = random_text();
    if (browser->verifier != NULL)
        browser->challenge = authorization_code_challenge(browser->verifier);
    browser->answer.json = json_object();
    if (browser->scope == NULL || browser->state == NULL || browser->challenge == NULL || browser->answer.json == NULL)
        return bearer_fail(err, BEARER_NOMEM, "out of memory, or of random numbers");
    if (ceremony->listen(ceremony->context, browser->state, browser->redirect_uri, sizeof browser->redirect_uri) != 0)
        return stopped(err);
    return BEARER_OK;
}

/* Sends the person there and takes what they bring back. */
static enum bearer_status send_person(struct browser *browser, struct bearer_error *err)
{
    char *url = request_url(browser), *parameters = NULL;
    size_t length;
    enum bearer_status st;

    if (url == NULL)
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    st = browser->ceremony->browse(browser->ceremony->context, url, &parameters) == 0 ? BEARER_OK : stopped(err);
    length = parameters != NULL ? strlen(parameters) : 0; /* while it is whole: reading takes it apart */
    if (st == BEARER_OK && (st = read_parameters(parameters, browser->answer.json, err)) == BEARER_OK)
        st = check_answer(browser, err);
    bearer_wipe(parameters, length);
    free(parameters);
    free(url);
    return st;
}

/* Turns the code into tokens (RFC 6749 section 4.1.3), with an assertion of its own: the person may have taken long. */
static enum bearer_status redeem(const struct browser *browser, struct bearer_error *err)
{
    const struct bearer_request *request = browser->request;
    const char *endpoint = oauth_option(request, "oauth2_token_endpoint");
    struct oauth_reply reply = OAUTH_REPLY_INIT;
    struct client_auth auth;
    enum bearer_status st = client_auth_begin(request, endpoint, &auth, err);
    const struct http_field form[] = {
        { "grant_type", "authorization_code" },
        { "client_id", oauth_option(request, "oauth2_client_id") },
        { "client_secret", auth.secret },
        { "client_assertion_type", auth.assertion_type },
        { "client_assertion", auth.assertion },
        { "code", oauth_text(browser->answer.json, "code") },
        { "redirect_uri", browser->redirect_uri },
        { "code_verifier", browser->verifier },
        { "scope", browser->scope },
        { NULL, NULL },
    };

    if (st == BEARER_OK)
        st = oauth_post(request, endpoint, form, bearer_monotonic() + REQUEST_TIME, &reply, err);
    if (st == BEARER_OK)
        st = oauth_grant(request, &reply, auth.expires, err);
    oauth_reply_clear(&reply);
    client_auth_clear(&auth);
    return st;
}

static void browser_clear(struct browser *browser)
{
    bearer_wipe_string(browser->state);
    bearer_wipe_string(browser->verifier);
    free(browser->scope);
    free(browser->state);
    free(browser->verifier);
    free(browser->challenge);
    oauth_reply_clear(&browser->answer);
}

enum bearer_status authorization_code_sign_in(const struct bearer_request *request, const struct bearer_ceremony *ceremony)
{
    struct browser browser = {
        .request = request,
        .ceremony = ceremony,
        .endpoint = oauth_option(request, "oauth2_authorization_endpoint"),
    };
    struct bearer_error err = BEARER_ERROR_INIT;
    enum bearer_status st;

    if ((st = begin(&browser, &err)) == BEARER_OK && (st = send_person(&browser, &err)) == BEARER_OK)
        st = redeem(&browser, &err);
    browser_clear(&browser);
    return st == BEARER_OK ? st : oauth_fail(request, &err);
}
