/* check_network.c - the way to whoever issues tokens: certificates to trust, clock, proxy, authority, tenant.
 *
 * The request is made by the very code that providers use, provider/http.c, which this program links as the modules do; the
 * plugin never does. */
#include "credential/clock.h"
#include "credential/places.h"
#include "credential/text.h"
#include "provider/catalogue.h"
#include "provider/http.h"
#include "tool/check.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#define AREA         "network"
#define PATIENCE     15000 /* ms for an answer */
#define SKEW_WARNING 120   /* seconds */
#define SKEW_PROBLEM 300   /* seconds; Microsoft refuses assertions from there on */
#define SEEN_MAX     32    /* things that were looked at */
#define SENTENCE_MAX 300   /* bytes of what the authority says */

/* What is looked at; one of each, though accounts share them. */
struct network {
    struct check *check;
    char *seen[SEEN_MAX];
    unsigned count;
};

/* Whether this is new here.  More than there is room for are not looked at. */
static bool is_new(struct network *network, const char *what)
{
    for (unsigned i = 0; i < network->count; i++)
        if (strcmp(network->seen[i], what) == 0)
            return false;
    if (network->count == SEEN_MAX || (network->seen[network->count] = strdup(what)) == NULL)
        return false;
    network->count++;
    return true;
}

/* ------------------------------------------------------------------ certificates to trust */

static int count_certificates(FILE *file)
{
    X509 *certificate;
    int count = 0;

    while ((certificate = PEM_read_X509(file, NULL, NULL, NULL)) != NULL) {
        X509_free(certificate);
        count++;
    }
    /* Anything but "there is no more" is a fault in the file. */
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        count = -1 - count;
    ERR_clear_error();
    return count;
}

static void check_bundle(struct check *check, const char *path)
{
    FILE *file = fopen(path, "re");
    int count;

    if (file == NULL) {
        check_say(check, CHECK_PROBLEM, AREA, "install the system's certificates (ca-certificates), or set oauth2_ca_file",
                  "cannot read the certificates to trust in '%s': %s", path, strerror(errno));
        return;
    }
    count = count_certificates(file);
    fclose(file);
    if (count > 0)
        check_say(check, CHECK_OK, AREA, NULL, "%d certificates to trust in '%s'", count, path);
    else
        check_say(check, CHECK_PROBLEM, AREA, "put certificates in PEM there, or let oauth2_ca_file name another file",
                  count == 0 ? "no certificate in '%s'" : "a broken certificate in '%s', behind %d good ones", path,
                  -1 - count);
}

/* ------------------------------------------------------------------ the clock */

/* theirs: 0 = not told. */
static void check_clock(struct check *check, int64_t theirs)
{
    int64_t skew = bearer_now() - theirs, amount = skew < 0 ? -skew : skew;
    char duration[32];

    if (theirs == 0) {
        check_say(check, CHECK_SKIPPED, AREA, NULL, "the clock could not be compared: the authority tells no date");
        return;
    }
    command_duration(amount, duration, sizeof duration);
    if (amount <= SKEW_WARNING)
        check_say(check, CHECK_OK, AREA, NULL, "the clock differs by %s from the authority's", duration);
    else
        check_say(check, amount > SKEW_PROBLEM ? CHECK_PROBLEM : CHECK_WARNING, AREA, "have NTP keep this machine's clock",
                  "the clock is %s %s: tokens look %s than they are", duration, skew > 0 ? "fast" : "slow",
                  skew > 0 ? "older" : "fresher");
}

/* ------------------------------------------------------------------ the authority */

/* Gives the URL of the tenant's metadata, or the endpoint itself where that is not Microsoft's.  Free it. */
static char *metadata_url(const char *endpoint, bool *is_metadata)
{
    static const char tail[] = "/oauth2/v2.0/token";
    size_t length = strlen(endpoint);

    *is_metadata = length > sizeof tail - 1 && strcmp(endpoint + length - (sizeof tail - 1), tail) == 0;
    if (!*is_metadata)
        return strdup(endpoint);
    return bearer_text_format("%.*s/v2.0/.well-known/openid-configuration", (int)(length - (sizeof tail - 1)), endpoint);
}

static const char *member(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));

    return text != NULL ? text : "";
}

/* An error with Microsoft's number. */
static void say_no_tenant(struct check *check, const char *error)
{
    const char *number = strstr(error, "AADSTS"), *tail = strstr(error, " Trace ID:");
    const struct catalogue_row *row = number != NULL ? catalogue_find(strtol(number + 6, NULL, 10)) : NULL;

    check->network_amiss = true;
    check_say(check, CHECK_PROBLEM, AREA, row != NULL ? row->remedy : "check oauth2_tenant and oauth2_cloud",
              "the authority does not know the tenant: %.*s", tail != NULL ? (int)(tail - error) : SENTENCE_MAX, error);
}

/* The metadata document of a tenant that exists names its issuer. */
static void judge_metadata(struct check *check, const char *url, const struct http_reply *reply)
{
    json_t *json = reply->body != NULL ? json_loadb(reply->body, reply->length, 0, NULL) : NULL;
    const char *issuer = member(json, "issuer"), *error = member(json, "error_description");

    if (reply->status == 200 && *issuer != '\0')
        check_say(check, CHECK_OK, AREA, NULL, "the tenant exists; its tokens are issued by %s", issuer);
    else if (*error != '\0')
        say_no_tenant(check, error);
    else
        check_say(check, CHECK_WARNING, AREA, "does a proxy or a captive portal answer in its place?",
                  "%s answers with HTTP %ld%s, not as an authority does", url, reply->status,
                  reply->is_html ? " and a web page" : "");
    json_decref(json);
}

static void check_authority(struct check *check, const struct bearer_account *account)
{
    bool is_metadata;
    char *url = metadata_url(account->values[OPT_TOKEN_ENDPOINT], &is_metadata);
    const struct http_request request = {
        .url = url != NULL ? url : "",
        .proxy = account->values[OPT_PROXY],
        .ca_file = account->values[OPT_CA_FILE],
        .deadline = bearer_monotonic() + PATIENCE,
    };
    struct http_reply reply = HTTP_REPLY_INIT;
    struct bearer_error err = BEARER_ERROR_INIT;

    if (http_send(&request, &reply, &err) != BEARER_OK) {
        check->network_amiss = true;
        check_say(check, CHECK_PROBLEM, AREA,
                  account->values[OPT_PROXY] != NULL
                      ? "check oauth2_proxy, DNS and what firewalls let through"
                      : "check DNS and what firewalls let through; is there a proxy, for oauth2_proxy?",
                  "%s", err.text);
    } else {
        check_say(check, CHECK_OK, AREA, NULL, "%s answers%s", request.url,
                  strncmp(request.url, "https:", 6) == 0 ? " over verified TLS" : "");
        if (is_metadata)
            judge_metadata(check, request.url, &reply);
        check_clock(check, reply.date);
    }
    http_reply_clear(&reply);
    free(url);
}

/* ------------------------------------------------------------------ an account's network */

/* A proxy's URL may hold a password, which is not shown. */
static void check_proxy(struct check *check, const char *proxy)
{
    const char *host = proxy != NULL ? strstr(proxy, "://") : NULL, *at = host != NULL ? strrchr(host, '@') : NULL;

    if (host == NULL)
        check_say(check, CHECK_OK, AREA, NULL, "no proxy is used (oauth2_proxy is not set; the environment does not count)");
    else
        check_say(check, CHECK_OK, AREA, NULL, "requests go through the proxy %.*s%s", (int)(host + 3 - proxy), proxy,
                  at != NULL ? at + 1 : host + 3);
}

static void look_at_account(struct network *network, const struct bearer_account *account)
{
    const char *endpoint = account->values[OPT_TOKEN_ENDPOINT], *proxy = account->values[OPT_PROXY];
    const char *bundle = account->values[OPT_CA_FILE] != NULL ? account->values[OPT_CA_FILE] : bearer_system_ca_file();

    if (is_new(network, bundle))
        check_bundle(network->check, bundle);
    if (!(account->provider->needs & BEARER_NEEDS_ENDPOINT) || endpoint == NULL) {
        if (is_new(network, account->provider_name))
            check_say(network->check, CHECK_SKIPPED, AREA, NULL, "provider %s asks no authority that sasl.conf names",
                      account->provider_name);
        return;
    }
    if (is_new(network, proxy != NULL ? proxy : "no proxy"))
        check_proxy(network->check, proxy);
    if (is_new(network, endpoint))
        check_authority(network->check, account);
}

static void look(struct check *check, struct bearer_holder *holder, const char *name, void *data)
{
    (void)check;
    (void)name;
    look_at_account(data, bearer_holder_account(holder));
}

void check_network(struct check *check)
{
    struct network network = { .check = check };

    check_each(check, look, &network);
    if (network.count == 0)
        check_bundle(check, bearer_system_ca_file());
    for (unsigned i = 0; i < network.count; i++)
        free(network.seen[i]);
}
