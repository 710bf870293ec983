/* options.c - see options.h */
#include "credential/options.h"

#include "credential/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SIMILAR 8 /* changes that make one name of another; with more it is no slip */

static const struct bearer_option_row rows[OPT_COUNT] = {
    [OPT_PROVIDER] = { "oauth2_provider", OPT_TYPE_CHOICE, OPT_GROUP_NONE, 0, "delegated",
                       "delegated app_only managed_identity command file password_field module:", 0, 0, NULL, "how a token is got" },
    [OPT_SERVICE] = { "oauth2_service", OPT_TYPE_CHOICE, OPT_GROUP_SERVICE, OPT_COMPLETES, "microsoft365",
                      "microsoft365 outlook gmail custom", 0, 0, NULL, "whose mail service it is" },
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
    [OPT_AUTHORIZATION_ENDPOINT] = { "oauth2_authorization_endpoint", OPT_TYPE_URL, OPT_GROUP_SERVICE, 0, NULL, NULL, 0, 0, NULL,
                                     "where people sign in by browser (RFC 6749 section 3.1)" },
    [OPT_DEVICE_ENDPOINT] = { "oauth2_device_endpoint", OPT_TYPE_URL, OPT_GROUP_SERVICE, 0, NULL, NULL, 0, 0, NULL,
                              "where device codes are requested (RFC 8628 section 3.1)" },
    [OPT_REDIRECT_URI] = { "oauth2_redirect_uri", OPT_TYPE_URL, OPT_GROUP_SERVICE, 0, "http://localhost", NULL, 0, 0, NULL,
                           "where a browser brings the answer of a sign-in (RFC 8252 section 7.3)" },
    [OPT_SERVERS] = { "oauth2_servers", OPT_TYPE_TEXT, OPT_GROUP_SERVICE, 0, NULL, NULL, 0, 0, NULL,
                      "mail servers that may ever be sent the token" },
    [OPT_CLIENT_SECRET] = { "oauth2_client_secret", OPT_TYPE_SECRET, OPT_GROUP_CREDENTIAL, 0, NULL, NULL, 0, 0, NULL,
                            "the application's secret (its value, not its id)" },
    [OPT_CLIENT_SECRET_FILE] = { "oauth2_client_secret_file", OPT_TYPE_FILE, OPT_GROUP_CREDENTIAL, 0, NULL, NULL, 0, 0,
                                 NULL, "file that holds the application's secret" },
    [OPT_CLIENT_SECRET_COMMAND] = { "oauth2_client_secret_command", OPT_TYPE_COMMAND, OPT_GROUP_CREDENTIAL, 0, NULL, NULL, 0, 0,
                                    NULL, "program that prints the application's secret" },
    [OPT_CLIENT_SECRET_EXPIRES] = { "oauth2_client_secret_expires", OPT_TYPE_DATE, OPT_GROUP_CREDENTIAL, 0, NULL, NULL, 0, 0,
                                    NULL, "when the secret ends, for warnings" },
    [OPT_CLIENT_CERTIFICATE] = { "oauth2_client_certificate", OPT_TYPE_KEY, OPT_GROUP_CREDENTIAL, 0, NULL, NULL, 0, 0, NULL,
                                 "the application's certificate: PEM, PKCS#12 or a URI" },
    [OPT_CLIENT_KEY] = { "oauth2_client_key", OPT_TYPE_KEY, OPT_GROUP_CREDENTIAL, 0, NULL, NULL, 0, 0, NULL,
                         "its private key, where it is not beside the certificate" },
    [OPT_CLIENT_KEY_PASSPHRASE_FILE] = { "oauth2_client_key_passphrase_file", OPT_TYPE_FILE, OPT_GROUP_CREDENTIAL, 0, NULL, NULL,
                                         0, 0, NULL, "file that holds the private key's passphrase" },
    [OPT_CLIENT_ASSERTION_ALG] = { "oauth2_client_assertion_alg", OPT_TYPE_CHOICE, OPT_GROUP_CREDENTIAL, 0, "PS256",
                                   "PS256 RS256", 0, 0, NULL, "how the certificate's key signs (RFC 7518 section 3.1)" },
    [OPT_FEDERATED_TOKEN_FILE] = { "oauth2_federated_token_file", OPT_TYPE_FILE, OPT_GROUP_CREDENTIAL, 0, NULL, NULL, 0, 0,
                                   "AZURE_FEDERATED_TOKEN_FILE", "file that holds another party's word for the application" },
    [OPT_MANAGED_IDENTITY] = { "oauth2_managed_identity", OPT_TYPE_TEXT, OPT_GROUP_CREDENTIAL, 0, "system", NULL, 0, 0, NULL,
                               "which of the machine's identities" },
    [OPT_IDENTITY] = { "oauth2_identity", OPT_TYPE_WORD, OPT_GROUP_NONE, OPT_COMPLETES, NULL, NULL, 0, 0, NULL,
                       "who signs in for this mailbox" },
    [OPT_TOKEN_STORE] = { "oauth2_token_store", OPT_TYPE_TEXT, OPT_GROUP_NONE, OPT_OWN_LEVEL, NULL, NULL, 0, 0, NULL,
                          "directory of the token files, or none" },
    [OPT_TOKEN_COMMAND] = { "oauth2_token_command", OPT_TYPE_COMMAND, OPT_GROUP_NONE, 0, NULL, NULL, 0, 0, NULL,
                            "program that prints an access token" },
    [OPT_TOKEN_FILE] = { "oauth2_token_file", OPT_TYPE_FILE, OPT_GROUP_NONE, 0, NULL, NULL, 0, 0, NULL,
                         "file that something else keeps an access token in" },
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

/* Hosts that nobody stands in front of: this machine, and Azure's metadata service on the link below it. */
static bool is_near(const char *host, size_t length)
{
    static const char *const names[] = { "127.0.0.1", "[::1]", "localhost", "169.254.169.254" };

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
    if (length == 0 || *host == ':' || strpbrk(url, " \t\"<>\\^`{|}#") != NULL)
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
    if (strncmp(url, "http://", 7) == 0 && !is_near(host, name))
        return bearer_fail(err, BEARER_CONFIG, "'%s' would send secrets in the clear; use https://", url);
    return BEARER_OK;
}

/* ------------------------------------------------------------------ dates, files and commands */

int64_t bearer_date_parse(const char *date)
{
    struct tm day = { 0 }, same;
    time_t midnight;

    if (strlen(date) != 10 || strspn(date, "0123456789-") != 10 || date[4] != '-' || date[7] != '-')
        return 0;
    day.tm_year = atoi(date) - 1900;
    day.tm_mon = atoi(date + 5) - 1;
    day.tm_mday = atoi(date + 8);
    same = day;
    midnight = timegm(&same); /* which makes the 1st of March of a 30th of February */
    return same.tm_mon == day.tm_mon && same.tm_mday == day.tm_mday ? (int64_t)midnight : 0;
}

/* An absolute path, or the name of one of systemd's credentials. */
static bool is_file(const char *value)
{
    size_t prefix = strlen(OPT_CREDENTIAL_PREFIX);

    if (strncmp(value, OPT_CREDENTIAL_PREFIX, prefix) != 0)
        return value[0] == '/';
    return value[prefix] != '\0' && value[prefix] != '.' && strpbrk(value + prefix, "/ \t") == NULL;
}

bool bearer_option_is_uri(const char *value)
{
    size_t scheme = strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789+.-");

    return scheme > 0 && value[scheme] == ':' && strncmp(value, OPT_CREDENTIAL_PREFIX, strlen(OPT_CREDENTIAL_PREFIX)) != 0;
}

static enum bearer_status check_file(const struct bearer_option_row *row, const char *value, struct bearer_error *err)
{
    if (is_file(value))
        return BEARER_OK;
    if (strncmp(value, "file:", 5) == 0)
        return bearer_fail(err, BEARER_CONFIG, "%s is '%s'; write the file's path itself, which begins with /", row->name, value);
    if (row->type == OPT_TYPE_KEY && bearer_option_is_uri(value))
        return BEARER_OK;
    return bearer_fail(err, BEARER_CONFIG, "%s is '%s'; it must be an absolute path, which begins with /, or " OPT_CREDENTIAL_PREFIX
                       "NAME%s", row->name, value, row->type == OPT_TYPE_KEY ? " or a URI such as pkcs11:..." : "");
}

/* No quotes are undone and no variable is filled in: whoever writes them expects a shell.  The arguments are not shown. */
static enum bearer_status check_command(const struct bearer_option_row *row, const char *value, struct bearer_error *err)
{
    if (value[0] != '/')
        return bearer_fail(err, BEARER_CONFIG, "%s must begin with the absolute path of a program", row->name);
    if (strpbrk(value, "'\"\\`$|&;<>") != NULL)
        return bearer_fail(err, BEARER_CONFIG, "%s is run without a shell, so it can hold none of ' \" \\ ` $ | & ; < >: put the "
                           "command into a script", row->name);
    return BEARER_OK;
}

static enum bearer_status check_managed_identity(const struct bearer_option_row *row, const char *value,
                                                 struct bearer_error *err)
{
    static const char *const prefixes[] = { "object:", "resource:" };

    if (strpbrk(value, " \t?&=") == NULL) {
        for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
            if (strncmp(value, prefixes[i], strlen(prefixes[i])) == 0 && value[strlen(prefixes[i])] != '\0')
                return BEARER_OK;
        if (strpbrk(value, ":/") == NULL)
            return BEARER_OK;
    }
    return bearer_fail(err, BEARER_CONFIG, "%s is '%s'; it can be system, a client id, object:ID or resource:ID", row->name, value);
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
    case OPT_TYPE_DATE:
        if (bearer_date_parse(value) == 0)
            return bearer_fail(err, BEARER_CONFIG, "%s is '%s'; it must be a date in the form 2027-01-31", row->name, value);
        break;
    case OPT_TYPE_FILE:
    case OPT_TYPE_KEY:
        return check_file(row, value, err);
    case OPT_TYPE_COMMAND:
        return check_command(row, value, err);
    case OPT_TYPE_TEXT:
    case OPT_TYPE_SECRET:
        break;
    }
    if (id == OPT_MANAGED_IDENTITY)
        return check_managed_identity(row, value, err);
    if (id == OPT_TOKEN_STORE && value[0] != '/' && strcmp(value, "none") != 0)
        return bearer_fail(err, BEARER_CONFIG, "%s is '%s'; it must be an absolute path or none", row->name, value);
    return BEARER_OK;
}
