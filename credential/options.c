/* options.c - see options.h */
#include "credential/options.h"

#include "credential/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SIMILAR 8 /* changes that make one name of another; with more it is no slip */

static const struct bearer_option_row rows[OPT_COUNT] = {
    [OPT_PROVIDER] = { "oauth2_provider", OPT_TYPE_CHOICE, OPT_GROUP_NONE, 0, "delegated",
                       "delegated app_only password_field module:", 0, 0, NULL, "how a token is got" },
    [OPT_SERVICE] = { "oauth2_service", OPT_TYPE_CHOICE, OPT_GROUP_SERVICE, OPT_COMPLETES, "microsoft365",
                      "microsoft365 custom", 0, 0, NULL, "whose mail service it is" },
    [OPT_CLOUD] = { "oauth2_cloud", OPT_TYPE_CHOICE, OPT_GROUP_SERVICE, OPT_COMPLETES, "public",
                    "public usgov usgov_dod china", 0, 0, NULL, "which of Microsoft's clouds" },
    [OPT_TENANT] = { "oauth2_tenant", OPT_TYPE_WORD, OPT_GROUP_SERVICE, OPT_COMPLETES, NULL, NULL, 0, 0,
                     "AZURE_TENANT_ID", "directory (tenant) id or domain" },
    [OPT_CLIENT_ID] = { "oauth2_client_id", OPT_TYPE_WORD, OPT_GROUP_SERVICE, OPT_COMPLETES, NULL, NULL, 0, 0,
                        "AZURE_CLIENT_ID", "application (client) id" },
    [OPT_SCOPE] = { "oauth2_scope", OPT_TYPE_TEXT, OPT_GROUP_SERVICE, 0, NULL, NULL, 0, 0, NULL,
                    "scopes, separated by blanks" },
    [OPT_TOKEN_ENDPOINT] = { "oauth2_token_endpoint", OPT_TYPE_URL, OPT_GROUP_SERVICE, 0, NULL, NULL, 0, 0, NULL,
                             "where tokens are requested (RFC 6749 section 3.2)" },
    [OPT_DEVICE_ENDPOINT] = { "oauth2_device_endpoint", OPT_TYPE_URL, OPT_GROUP_SERVICE, 0, NULL, NULL, 0, 0, NULL,
                              "where device codes are requested (RFC 8628 section 3.1)" },
    [OPT_SERVERS] = { "oauth2_servers", OPT_TYPE_TEXT, OPT_GROUP_SERVICE, 0, NULL, NULL, 0, 0, NULL,
                      "mail servers that may ever be sent the token" },
    [OPT_CLIENT_SECRET] = { "oauth2_client_secret", OPT_TYPE_SECRET, OPT_GROUP_CREDENTIAL, 0, NULL, NULL, 0, 0, NULL,
                            "the application's secret (its value, not its id)" },
    [OPT_CLIENT_SECRET_FILE] = { "oauth2_client_secret_file", OPT_TYPE_PATH, OPT_GROUP_CREDENTIAL, 0, NULL, NULL, 0, 0,
                                 NULL, "file that holds the application's secret" },
    [OPT_IDENTITY] = { "oauth2_identity", OPT_TYPE_WORD, OPT_GROUP_NONE, OPT_COMPLETES, NULL, NULL, 0, 0, NULL,
                       "who signs in for this mailbox" },
    [OPT_TOKEN_STORE] = { "oauth2_token_store", OPT_TYPE_TEXT, OPT_GROUP_NONE, 0, NULL, NULL, 0, 0, NULL,
                          "directory of the token files, or none" },
    [OPT_MIN_LIFETIME] = { "oauth2_min_lifetime", OPT_TYPE_SECONDS, OPT_GROUP_NONE, OPT_COMPLETES, "300", NULL, 0, 86400,
                           NULL, "how long a token must still live to be handed out" },
    [OPT_TIMEOUT] = { "oauth2_timeout", OPT_TYPE_SECONDS, OPT_GROUP_NONE, OPT_COMPLETES, "20", NULL, 1, 600, NULL,
                      "how long a login may wait for a token" },
    [OPT_CA_FILE] = { "oauth2_ca_file", OPT_TYPE_PATH, OPT_GROUP_NONE, 0, NULL, NULL, 0, 0, NULL,
                      "certificates to trust instead of the system's" },
    [OPT_PROXY] = { "oauth2_proxy", OPT_TYPE_PROXY, OPT_GROUP_NONE, 0, NULL, NULL, 0, 0, NULL,
                    "proxy on the way to the identity provider" },
    [OPT_JAILED_PROGRAMS] = { "oauth2_jailed_programs", OPT_TYPE_TEXT, OPT_GROUP_NONE, OPT_TOP_ONLY, "smtp lmtp", NULL, 0,
                              0, NULL, "programs that open all they need before they enter a chroot jail" },
};

const struct bearer_option_row *bearer_option_row(enum bearer_option_id id)
{
    return &rows[id];
}

enum bearer_option_id bearer_option_find(const char *name, const char **nearest_out)
{
    size_t best = strlen(name) / 3 + 1; /* as far as this is not similar */

    *nearest_out = NULL;
    for (int id = 0; id < OPT_COUNT; id++)
        if (strcmp(name, rows[id].name) == 0)
            return (enum bearer_option_id)id;
    for (int id = 0; id < OPT_COUNT; id++) {
        size_t distance = bearer_text_distance(name, rows[id].name);

        if (distance < best && distance < SIMILAR) {
            best = distance;
            *nearest_out = rows[id].name;
        }
    }
    return OPT_COUNT;
}

static bool is_choice(const char *choices, const char *value)
{
    const char *word;
    size_t length;

    while (bearer_text_word(&choices, &word, &length)) {
        if (word[length - 1] == ':') {
            if (strncmp(value, word, length) == 0 && value[length] != '\0' && strpbrk(value + length, "/ \t") == NULL)
                return true;
        } else if (strlen(value) == length && memcmp(value, word, length) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_seconds(const struct bearer_option_row *row, const char *value)
{
    char *end;
    long long number;

    errno = 0;
    number = strtoll(value, &end, 10);
    return errno == 0 && value[0] >= '0' && value[0] <= '9' && *end == '\0' && number >= row->minimum &&
           number <= row->maximum;
}

static bool is_this_machine(const char *host, size_t length)
{
    static const char *const names[] = { "127.0.0.1", "[::1]", "localhost" };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (length == strlen(names[i]) && strncasecmp(host, names[i], length) == 0)
            return true;
    return false;
}

/* The parts of a URL that matter here. */
static enum bearer_status url_parse(const char *url, const char **host_out, size_t *length_out, struct bearer_error *err)
{
    const char *host;
    size_t length;

    if (strncmp(url, "https://", 8) == 0)
        host = url + 8;
    else if (strncmp(url, "http://", 7) == 0)
        host = url + 7;
    else
        return bearer_fail(err, BEARER_CONFIG, "'%s' is not a URL that begins with https://", url);
    length = strcspn(host, "/?#");
    if (length == 0 || *host == ':' || strpbrk(url, " \t\"<>\\^`{|}") != NULL)
        return bearer_fail(err, BEARER_CONFIG, "'%s' is not a well-formed URL", url);
    if (memchr(host, '@', length) != NULL)
        return bearer_fail(err, BEARER_CONFIG, "the URL holds a user name or password; take it out");
    *host_out = host;
    *length_out = length;
    return BEARER_OK;
}

enum bearer_status bearer_url_check(const char *url, struct bearer_error *err)
{
    const char *host, *port;
    size_t length, name;
    enum bearer_status st = url_parse(url, &host, &length, err);

    if (st != BEARER_OK)
        return st;
    port = *host == '[' ? memchr(host, ']', length) : host;
    port = port != NULL ? memchr(port, ':', length - (size_t)(port - host)) : NULL;
    name = port != NULL ? (size_t)(port - host) : length;
    if (strncmp(url, "http://", 7) == 0 && !is_this_machine(host, name))
        return bearer_fail(err, BEARER_CONFIG, "'%s' would send secrets in the clear; use https://", url);
    return BEARER_OK;
}

enum bearer_status bearer_option_check(enum bearer_option_id id, const char *value, struct bearer_error *err)
{
    const struct bearer_option_row *row = &rows[id];
    const char *host;
    size_t length;

    switch (row->type) {
    case OPT_TYPE_CHOICE:
        if (!is_choice(row->choices, value))
            return bearer_fail(err, BEARER_CONFIG, "%s is '%s'; it can be: %s", row->name, value, row->choices);
        break;
    case OPT_TYPE_WORD:
        if (strpbrk(value, " \t/?#&=\"") != NULL)
            return bearer_fail(err, BEARER_CONFIG, "%s is '%s'; it must be one word without blanks or any of / ? # & = \"",
                               row->name, value);
        break;
    case OPT_TYPE_SECONDS:
        if (!is_seconds(row, value))
            return bearer_fail(err, BEARER_CONFIG, "%s is '%s'; it must be a number of seconds from %lld to %lld", row->name,
                               value, (long long)row->minimum, (long long)row->maximum);
        break;
    case OPT_TYPE_URL:
        if (bearer_url_check(value, err) != BEARER_OK) {
            bearer_error_prepend(err, "%s: ", row->name);
            return BEARER_CONFIG;
        }
        break;
    case OPT_TYPE_PROXY:
        if (url_parse(value, &host, &length, err) != BEARER_OK) {
            bearer_error_prepend(err, "%s: ", row->name);
            return BEARER_CONFIG;
        }
        break;
    case OPT_TYPE_PATH:
        if (value[0] != '/')
            return bearer_fail(err, BEARER_CONFIG, "%s is '%s'; it must be an absolute path, which begins with /", row->name,
                               value);
        break;
    case OPT_TYPE_TEXT:
    case OPT_TYPE_SECRET:
        break;
    }
    if (id == OPT_TOKEN_STORE && value[0] != '/' && strcmp(value, "none") != 0)
        return bearer_fail(err, BEARER_CONFIG, "%s is '%s'; it must be an absolute path or none", row->name, value);
    return BEARER_OK;
}
