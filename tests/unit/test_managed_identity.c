/* test_managed_identity.c - who is asked for a managed identity's token, what its answers mean, and Azure Arc's challenge.
 */
#include "provider/arc.h"
#include "provider/identity_reply.h"
#include "provider/identity_source.h"
#include "tests/unit/scratch.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW           INT64_C(1767225600)
#define HEADER_SECRET "853b9a84-5bfa-4b22-a3f3-0b9a43d9ad8a"

/* ------------------------------------------------------------------ who is asked */

static const char *const variables[] = {
    "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT",       "IMDS_ENDPOINT",
    "MSI_ENDPOINT",      "MSI_SECRET",      "AZURE_POD_IDENTITY_AUTHORITY_HOST"
};

static void clear_environment(void)
{
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        unsetenv(variables[i]);
}

/* Sets "NAME=value NAME=value". */
static void set_environment(const char *text)
{
    char *copy = strdup(text), *rest = copy, *word;

    clear_environment();
    while ((word = strsep(&rest, " ")) != NULL)
        if (strchr(word, '=') != NULL) {
            *strchr(word, '=') = '\0';
            setenv(word, word + strlen(word) + 1, 1);
        }
    free(copy);
}

static void the_environment_says_who_is_asked(void **state)
{
    static const struct {
        const char *environment, *name, *url, *header, *secret;
    } rows[] = {
        { "", "the managed identity endpoint of this virtual machine (169.254.169.254)",
          "http://169.254.169.254/metadata/identity/oauth2/token", "Metadata: true", NULL },
        { "AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:81",
          "the managed identity endpoint of this virtual machine (127.0.0.1:81)",
          "http://127.0.0.1:81/metadata/identity/oauth2/token", "Metadata: true", NULL },
        { "AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:81//",
          "the managed identity endpoint of this virtual machine (127.0.0.1:81)",
          "http://127.0.0.1:81/metadata/identity/oauth2/token", "Metadata: true", NULL },
        { "IDENTITY_ENDPOINT=http://localhost:42356/msi/token IDENTITY_HEADER=" HEADER_SECRET " IMDS_ENDPOINT=x",
          "the managed identity endpoint of App Service (localhost:42356)", "http://localhost:42356/msi/token",
          "X-IDENTITY-HEADER: " HEADER_SECRET, HEADER_SECRET },
        { "IDENTITY_ENDPOINT=https://example.com/token IDENTITY_HEADER=abc",
          "the managed identity endpoint of App Service (example.com)", "https://example.com/token",
          "X-IDENTITY-HEADER: abc", "abc" },
        { "MSI_ENDPOINT=http://127.0.0.1:41/MSI/token/ MSI_SECRET=abc",
          "the managed identity endpoint of MSI_ENDPOINT (127.0.0.1:41)", "http://127.0.0.1:41/MSI/token/", "secret: abc",
          "abc" },
        { "IDENTITY_ENDPOINT=http://localhost:40342/m/token IMDS_ENDPOINT=http://localhost:40342",
          "the Azure Arc agent (localhost:40342)", "http://localhost:40342/m/token", "Metadata: true", NULL },
        /* one variable alone, or an empty one, is no service */
        { "IDENTITY_ENDPOINT=http://localhost:1 IDENTITY_HEADER= MSI_SECRET=abc",
          "the managed identity endpoint of this virtual machine (169.254.169.254)",
          "http://169.254.169.254/metadata/identity/oauth2/token", "Metadata: true", NULL },
    };
    const typeof(rows[0]) *row;

    (void)state;
    for_each_row(row, rows)
    {
        struct identity_source source;
        struct bearer_error err = BEARER_ERROR_INIT;

        set_environment(row->environment);
        if (identity_source_find(&source, &err) != BEARER_OK)
            fail_msg("'%s': %s", row->environment, err.text);
        assert_string_equal(source.name, row->name);
        assert_string_equal(source.url, row->url);
        assert_string_equal(bearer_secret_reveal(&source.header), row->header);
        assert_true((source.secret == NULL) == (row->secret == NULL));
        if (row->secret != NULL)
            assert_string_equal(source.secret, row->secret);
        identity_source_clear(&source);
        assert_null(source.url);
    }
    clear_environment();
}

static void an_environment_that_is_not_supported_is_told(void **state)
{
    static const struct {
        const char *environment, *text;
    } rows[] = {
        { "IDENTITY_ENDPOINT=https://localhost:2377 IDENTITY_HEADER=abc IDENTITY_SERVER_THUMBPRINT=00ff",
          "the environment names Service Fabric's managed identity endpoint, which is not supported: use oauth2_provider: "
          "app_only" },
        { "MSI_ENDPOINT=http://localhost:50342/oauth2/token", "the environment names Cloud Shell's endpoint (MSI_ENDPOINT), "
                                                              "which has tokens of its user and no managed identity" },
        { "IDENTITY_ENDPOINT=http://10.0.0.4/token IDENTITY_HEADER=abc",
          "the environment's IDENTITY_ENDPOINT: 'http://10.0.0.4/token' would send secrets in the clear; use https://" },
        { "IDENTITY_ENDPOINT=http://localhost.example.com/ IMDS_ENDPOINT=x",
          "the environment's IDENTITY_ENDPOINT: 'http://localhost.example.com/' would send secrets in the clear; use "
          "https://" },
        { "MSI_ENDPOINT=http://example.com/ MSI_SECRET=abc",
          "the environment's MSI_ENDPOINT: 'http://example.com/' would send secrets in the clear; use https://" },
        { "AZURE_POD_IDENTITY_AUTHORITY_HOST=169.254.169.254",
          "the environment's AZURE_POD_IDENTITY_AUTHORITY_HOST: '169.254.169.254/metadata/identity/oauth2/token' is not a "
          "URL "
          "that begins with https://" },
        { "IDENTITY_ENDPOINT=http://localhost:1/ IDENTITY_HEADER=abc\r\nX-Evil:1",
          "the environment's IDENTITY_HEADER holds control characters" },
    };
    const typeof(rows[0]) *row;

    (void)state;
    for_each_row(row, rows)
    {
        struct identity_source source;
        struct bearer_error err = BEARER_ERROR_INIT;

        set_environment(row->environment);
        assert_int_equal(identity_source_find(&source, &err), BEARER_CONFIG);
        assert_string_equal(err.text, row->text);
        assert_null(source.url);
    }
    clear_environment();
}

#define SYSTEM      ""
#define APP_SERVICE "IDENTITY_ENDPOINT=http://localhost:1 IDENTITY_HEADER=abc"
#define OLD         "MSI_ENDPOINT=http://localhost:1 MSI_SECRET=abc"
#define ARC         "IDENTITY_ENDPOINT=http://localhost:1 IMDS_ENDPOINT=x"

static void each_service_has_its_own_words_for_an_identity(void **state)
{
    static const struct {
        const char *environment, *wish, *name, *value;
    } rows[] = {
        { SYSTEM, NULL, NULL, NULL },
        { SYSTEM, "system", NULL, NULL },
        { SYSTEM, "1234-5678", "client_id", "1234-5678" },
        { SYSTEM, "object:1234", "object_id", "1234" },
        { SYSTEM, "resource:/subscriptions/1", "msi_res_id", "/subscriptions/1" },
        { APP_SERVICE, "system", NULL, NULL },
        { APP_SERVICE, "1234-5678", "client_id", "1234-5678" },
        { APP_SERVICE, "object:1234", "object_id", "1234" },
        { APP_SERVICE, "resource:/subscriptions/1", "mi_res_id", "/subscriptions/1" },
        { OLD, "system", NULL, NULL },
        { OLD, "1234-5678", "clientid", "1234-5678" },
        { OLD, "object:1234", NULL,
          "the managed identity endpoint of MSI_ENDPOINT (localhost:1) wants an identity named by its client id, but "
          "oauth2_managed_identity is 'object:1234'" },
        { OLD, "resource:/subscriptions/1", NULL,
          "the managed identity endpoint of MSI_ENDPOINT (localhost:1) wants an identity named by its client id, but "
          "oauth2_managed_identity is 'resource:/subscriptions/1'" },
        { ARC, "system", NULL, NULL },
        { ARC, "1234-5678", NULL,
          "the Azure Arc agent (localhost:1) knows the machine's own identity only, but oauth2_managed_identity is "
          "'1234-5678'" },
        { ARC, "object:1234", NULL,
          "the Azure Arc agent (localhost:1) knows the machine's own identity only, but oauth2_managed_identity is "
          "'object:1234'" },
    };
    const typeof(rows[0]) *row;

    (void)state;
    for_each_row(row, rows)
    {
        struct identity_source source;
        struct http_field field;
        struct bearer_error err = BEARER_ERROR_INIT;
        enum bearer_status st;

        set_environment(row->environment);
        assert_int_equal(identity_source_find(&source, NULL), BEARER_OK);
        st = identity_source_choose(&source, row->wish, &field, &err);
        if (row->name != NULL) {
            assert_int_equal(st, BEARER_OK);
            assert_string_equal(field.name, row->name);
            assert_string_equal(field.value, row->value);
        } else {
            assert_null(field.name);
            assert_int_equal(st, row->value != NULL ? BEARER_CONFIG : BEARER_OK);
            assert_string_equal(err.text, row->value != NULL ? row->value : "");
        }
        identity_source_clear(&source);
    }
    clear_environment();
}

/* ------------------------------------------------------------------ trying again */

static void asking_again_follows_the_table(void **state)
{
    static const struct {
        enum bearer_status st;
        long status;
        bool unreachable;
        int64_t retry_after;
        unsigned tries;
        int64_t pause; /* ms, -1 = no */
    } rows[] = {
        { BEARER_OK, 200, false, 0, 1, -1 },
        { BEARER_OK, 400, false, 0, 1, -1 },
        { BEARER_OK, 400, false, 5, 1, -1 },
        { BEARER_OK, 401, false, 0, 1, -1 },
        { BEARER_OK, 403, false, 0, 1, -1 },
        { BEARER_OK, 405, false, 0, 1, -1 },
        { BEARER_OK, 302, false, 0, 1, -1 },
        /* 0, 2, 6, 14, 30 s */
        { BEARER_OK, 404, false, 0, 1, 2000 },
        { BEARER_OK, 404, false, 0, 2, 4000 },
        { BEARER_OK, 404, false, 0, 3, 8000 },
        { BEARER_OK, 404, false, 0, 4, 16000 },
        { BEARER_OK, 404, false, 0, 5, -1 },
        { BEARER_OK, 404, false, 0, 99, -1 },
        { BEARER_OK, 429, false, 0, 1, 2000 },
        { BEARER_OK, 500, false, 0, 1, 2000 },
        { BEARER_OK, 503, false, 0, 4, 16000 },
        { BEARER_OK, 599, false, 0, 5, -1 },
        /* what the server says counts, if it is longer */
        { BEARER_OK, 429, false, 60, 1, 60000 },
        { BEARER_OK, 429, false, 1, 1, 2000 },
        { BEARER_OK, 503, false, 7, 2, 7000 },
        { BEARER_OK, 503, false, 86400, 1, 86400000 },
        /* the endpoint is replaced: every 10 s */
        { BEARER_OK, 410, false, 0, 1, 10000 },
        { BEARER_OK, 410, false, 0, 7, 10000 },
        { BEARER_OK, 410, false, 0, 8, -1 },
        /* no answer */
        { BEARER_LATER, 0, false, 0, 1, 2000 },
        { BEARER_LATER, 0, false, 0, 4, 16000 },
        { BEARER_LATER, 0, false, 0, 5, -1 },
        { BEARER_LATER, 0, true, 0, 1, -1 },
        { BEARER_CONFIG, 0, false, 0, 1, -1 },
        { BEARER_PEER, 0, false, 0, 1, -1 },
        { BEARER_NOMEM, 0, false, 0, 1, -1 },
    };
    const typeof(rows[0]) *row;

    (void)state;
    for_each_row(row, rows)
    {
        struct http_reply reply = HTTP_REPLY_INIT;
        int64_t pause;

        reply.status = row->status;
        reply.unreachable = row->unreachable;
        reply.retry_after = row->retry_after;
        pause = identity_reply_pause(row->st, &reply, row->tries);
        if (pause != row->pause)
            fail_msg("status %d HTTP %ld try %u: %lld ms, it should be %lld", row->st, row->status, row->tries,
                     (long long)pause, (long long)row->pause);
    }
}

/* ------------------------------------------------------------------ answers */

static struct {
    int grants;
    char token[64];
    int64_t lifetime, refresh_in;
} granted;

static void take_grant(void *context, const struct bearer_grant *grant)
{
    (void)context;
    granted.grants++;
    snprintf(granted.token, sizeof granted.token, "%s", grant->access_token);
    granted.lifetime = grant->lifetime;
    granted.refresh_in = grant->refresh_in;
    assert_null(grant->refresh_token);
}

/* Has an answer read as App Service's. */
static enum bearer_status read_answer(long status, const char *body, const char *wish, struct bearer_error *err)
{
    const struct bearer_option options[] = { { .name = "oauth2_managed_identity", .value = wish }, { .name = NULL } };
    const struct bearer_request request = { .abi = BEARER_PROVIDER_ABI, .options = options, .grant = take_grant };
    struct http_reply reply = HTTP_REPLY_INIT;
    struct identity_source source;
    enum bearer_status st;

    set_environment("IDENTITY_ENDPOINT=http://localhost:42 IDENTITY_HEADER=" HEADER_SECRET);
    assert_int_equal(identity_source_find(&source, NULL), BEARER_OK);
    memset(&granted, 0, sizeof granted);
    reply.status = status;
    reply.body = body != NULL ? strdup(body) : NULL;
    reply.length = body != NULL ? strlen(body) : 0;
    st = identity_reply_read(&request, &source, "arc-key-0001", &reply, NOW, err);
    http_reply_clear(&reply);
    identity_source_clear(&source);
    clear_environment();
    return st;
}

#define A "\"access_token\":\"abc\""

static void a_token_is_taken_whatever_its_types(void **state)
{
    static const struct {
        const char *body;
        int64_t lifetime, refresh_in;
    } rows[] = {
        { "{" A "}", 0, 0 },
        /* IMDS */
        { "{" A ",\"expires_in\":\"3599\",\"expires_on\":\"1767229199\",\"not_before\":\"1767225600\",\"resource\":"
          "\"https://outlook.office365.com\",\"token_type\":\"Bearer\",\"client_id\":\"1\",\"refresh_token\":\"\"}",
          3599, 0 },
        { "{" A ",\"expires_in\":3599}", 3599, 0 },
        { "{" A ",\"expires_in\":3599.5}", 3599, 0 },
        { "{" A ",\"expires_in\":\"86400\"}", 86400, 43200 },
        { "{" A ",\"expires_in\":\"7200\"}", 7200, 3600 },
        { "{" A ",\"expires_in\":\"7199\"}", 7199, 0 },
        { "{" A ",\"expires_in\":\"86400\",\"refresh_in\":\"40000\"}", 86400, 40000 },
        { "{" A ",\"expires_in\":\"86400\",\"refresh_in\":40000}", 86400, 40000 },
        { "{" A ",\"expires_in\":\"86400\",\"refresh_in\":true}", 86400, 43200 },
        { "{" A ",\"expires_in\":\"86400\",\"refresh_in\":\"\"}", 86400, 43200 },
        /* App Service */
        { "{" A ",\"expires_on\":\"1767229200\"}", 3600, 0 },
        { "{" A ",\"expires_on\":1767229200}", 3600, 0 },
        { "{" A ",\"expires_on\":\"86400\"}", 86400, 43200 },
        { "{" A ",\"expires_on\":\"2026-01-01T01:00:00Z\"}", 3600, 0 },
        { "{" A ",\"expires_on\":\"1/1/2026 1:00:00 AM +00:00\"}", 3600, 0 },
        /* one of the two is enough */
        { "{" A ",\"expires_in\":\"\",\"expires_on\":\"1767229200\"}", 3600, 0 },
        { "{" A ",\"expires_in\":null,\"expires_on\":\"1767229200\"}", 3600, 0 },
        { "{" A ",\"expires_in\":\"0\",\"expires_on\":\"1767229200\"}", 3600, 0 },
        { "{" A ",\"expires_in\":\"3600\",\"expires_on\":\"soon\"}", 3600, 0 },
        { "{" A ",\"expires_in\":null,\"expires_on\":null}", 0, 0 },
        /* what else may be there */
        { "{" A ",\"token_type\":\"bearer\"}", 0, 0 },
        { "{" A ",\"token_type\":null}", 0, 0 },
        { "{" A ",\"refresh_token\":\"never-used\"}", 0, 0 },
        { "{" A ",\"refresh_token\":7}", 0, 0 },
        { "{" A ",\"error\":null}", 0, 0 },
        { "{" A ",\"not_before\":99999999999999999999999}", 0, 0 },
    };
    const typeof(rows[0]) *row;

    (void)state;
    for_each_row(row, rows)
    {
        struct bearer_error err = BEARER_ERROR_INIT;

        if (read_answer(200, row->body, "system", &err) != BEARER_OK)
            fail_msg("%s: %s", row->body, err.text);
        assert_int_equal(granted.grants, 1);
        assert_string_equal(granted.token, "abc");
        if (granted.lifetime != row->lifetime || granted.refresh_in != row->refresh_in)
            fail_msg("%s: %lld s, renewed after %lld", row->body, (long long)granted.lifetime,
                     (long long)granted.refresh_in);
    }
}

#define NAME "the managed identity endpoint of App Service (localhost:42)"

static void an_error_says_who_must_act(void **state)
{
    static const struct {
        long http;
        const char *body, *wish;
        enum bearer_status st;
        const char *cause, *text;
    } rows[] = {
        /* the three forms, and halves of them */
        { 400, "{\"error\":\"invalid_request\",\"error_description\":\"Identity not found.\"}", "system", BEARER_CONFIG,
          "invalid_request",
          NAME
          " says invalid_request: Identity not found (HTTP 400); has this machine an identity of its own?  Turn it on in "
          "the Azure portal, or name another one by oauth2_managed_identity" },
        { 400, "{\"error\":{\"code\":\"no_identity\",\"message\":\"No identity.\\r\\nTrace ID: 1\"}}", "1234", BEARER_CONFIG,
          "no_identity",
          NAME
          " says no_identity: No identity (HTTP 400); is the identity that oauth2_managed_identity names assigned to this "
          "machine?" },
        { 400, "{\"statusCode\":400,\"message\":\"No User Assigned Managed Identity found\"}", "object:1", BEARER_CONFIG,
          "config",
          NAME
          " says No User Assigned Managed Identity found (HTTP 400); is the identity that oauth2_managed_identity names "
          "assigned to this machine?" },
        { 400, "{\"error\":\"invalid_resource\",\"error_description\":\"AADSTS500011: none. Trace ID: 1\"}", NULL,
          BEARER_CONFIG, "AADSTS500011", NULL },
        { 403, "{\"error\":\"forbidden\"}", NULL, BEARER_REFUSED, "forbidden",
          NAME " says forbidden (HTTP 403); IDENTITY_HEADER holds what it is to know us by: is that this program's own "
               "environment?" },
        { 401, NULL, NULL, BEARER_REFUSED, "refused",
          NAME
          " answers HTTP 401 with no word about it; IDENTITY_HEADER holds what it is to know us by: is that this program's "
          "own environment?" },
        /* it passes */
        { 404, "{\"error\":\"not_found\"}", NULL, BEARER_LATER, "not_found",
          NAME " says not_found (HTTP 404); it is being updated" },
        { 404, "<html>", NULL, BEARER_LATER, "later",
          NAME " answers HTTP 404 with no word about it; it is being updated, or this machine is not on Azure" },
        { 410, "{\"error\":\"gone\"}", NULL, BEARER_LATER, "gone", NAME " says gone (HTTP 410); it is being updated" },
        { 429, "Too Many Requests", NULL, BEARER_LATER, "later",
          NAME " answers HTTP 429 with no word about it; it is asked too often and wants a pause" },
        { 500, "{\"error\":\"unknown\",\"error_description\":\"Failed to retrieve token\"}", NULL, BEARER_LATER, "unknown",
          NAME " says unknown: Failed to retrieve token (HTTP 500); it has trouble of its own" },
        { 502, "Bad Gateway", NULL, BEARER_LATER, "later",
          NAME
          " answers HTTP 502 with no word about it; this machine seems not to be on Azure: somebody in between answers" },
        { 504, "{\"error\":\"slow\"}", NULL, BEARER_LATER, "slow", NAME " says slow (HTTP 504); it has trouble of its own" },
        { 302, NULL, NULL, BEARER_LATER, "later",
          NAME " answers HTTP 302 with no word about it; a redirect is never followed" },
        { 200, NULL, NULL, BEARER_LATER, "later", NAME " answers HTTP 200 with no word about it; that is no token" },
        { 200, "[]", NULL, BEARER_LATER, "later", NAME " answers HTTP 200 with no word about it; that is no token" },
        { 200, "{\"a\":1,\"a\":2}", NULL, BEARER_LATER, "later",
          NAME " answers HTTP 200 with no word about it; that is no token" },
        { 200, "{" A ",\"error\":\"later\"}", NULL, BEARER_LATER, "later", NAME " says later (HTTP 200); that is no token" },
        /* odd types */
        { 400, "{\"error\":7,\"error_description\":[],\"message\":{}}", "1234", BEARER_CONFIG, "config",
          NAME
          " answers HTTP 400 with no word about it; is the identity that oauth2_managed_identity names assigned to this "
          "machine?" },
        { 400, "{\"error\":{\"code\":7,\"message\":\"seven\"}}", "1234", BEARER_CONFIG, "config",
          NAME " says seven (HTTP 400); is the identity that oauth2_managed_identity names assigned to this machine?" },
        { 400, "{\"error\":\"two words\",\"error_description\":\"a\\tb\\u00e9\"}", "1234", BEARER_CONFIG, "config",
          NAME " says a?b?? (HTTP 400); is the identity that oauth2_managed_identity names assigned to this machine?" },
        /* what repeats a secret is not shown */
        { 400, "{\"error\":\"" HEADER_SECRET "\",\"error_description\":\"who is " HEADER_SECRET "?\"}", "1234",
          BEARER_CONFIG, "config",
          NAME
          " answers HTTP 400 with no word about it; is the identity that oauth2_managed_identity names assigned to this "
          "machine?" },
        { 400, "{\"error\":\"arc-key-0001\",\"error_description\":\"not arc-key-0001\"}", "1234", BEARER_CONFIG, "config",
          NAME
          " answers HTTP 400 with no word about it; is the identity that oauth2_managed_identity names assigned to this "
          "machine?" },
        /* successes that are none */
        { 200, "{}", NULL, BEARER_PEER, "peer", "the answer of " NAME " holds no access_token" },
        { 200, "{\"access_token\":\"\"}", NULL, BEARER_PEER, "peer", "the answer of " NAME " holds no access_token" },
        { 200, "{\"access_token\":7}", NULL, BEARER_PEER, "peer", "the answer of " NAME " holds no access_token" },
        { 200, "{" A ",\"token_type\":\"mac\"}", NULL, BEARER_PEER, "peer",
          "the answer of " NAME " is not of token_type Bearer" },
        { 200, "{" A ",\"token_type\":[]}", NULL, BEARER_PEER, "peer",
          "the answer of " NAME " is not of token_type Bearer" },
        { 200, "{" A ",\"expires_in\":\"soon\"}", NULL, BEARER_PEER, "peer",
          "the answer of " NAME " has an expires_in or expires_on that is no time to live" },
        { 200, "{" A ",\"expires_in\":-1,\"expires_on\":{}}", NULL, BEARER_PEER, "peer",
          "the answer of " NAME " has an expires_in or expires_on that is no time to live" },
        { 200, "{" A ",\"expires_on\":\"1767225600\"}", NULL, BEARER_LATER, "later",
          "the token of " NAME " has ended already; is this machine's clock right?" },
    };
    const typeof(rows[0]) *row;

    (void)state;
    for_each_row(row, rows)
    {
        struct bearer_error err = BEARER_ERROR_INIT;
        enum bearer_status st = read_answer(row->http, row->body, row->wish, &err);

        if (row->text != NULL && strcmp(err.text, row->text) != 0)
            fail_msg("HTTP %ld %s:\nexpected: %s\nfound:    %s", row->http, row->body, row->text, err.text);
        assert_int_equal(st, row->st);
        assert_int_equal(err.status, row->st);
        assert_string_equal(bearer_error_cause(&err), row->cause);
        assert_int_equal(granted.grants, 0);
        assert_int_equal(err.retry_after, row->http == 410 ? 70 : 0);
    }
}

static void a_number_of_microsofts_brings_its_advice(void **state)
{
    struct bearer_error err = BEARER_ERROR_INIT;

    (void)state;
    read_answer(400, "{\"error\":\"invalid_resource\",\"error_description\":\"AADSTS500011: none. Trace ID: 1\"}", NULL,
                &err);
    assert_non_null(strstr(err.text, "AADSTS500011: none (HTTP 400); "));
    assert_null(strstr(err.text, "identity of its own"));
}

/* ------------------------------------------------------------------ Azure Arc's challenge */

/* Has a challenge answered in the scratch directory; %s in it stands for that. */
static enum bearer_status answer(const char *challenge, struct bearer_secret *key, struct bearer_error *err)
{
    const char *at = strstr(challenge, "%s");

    bearer_error_clear(err);
    if (at != NULL)
        challenge = scratch_text("%.*s%s%s", (int)(at - challenge), challenge, scratch_directory(), at + 2);
    return arc_read_key(scratch_directory(), challenge, key, err);
}

static void a_key_file_of_the_agent_is_read(void **state)
{
    static const char *const challenges[] = { "Basic realm=%s/a.key", "basic REALM=%s/a.key", "Basic realm=\"%s/a.key\"",
                                              "Basic  realm=%s/a.key, b=c", "Basic realm=\"%s/a.key\", charset=\"UTF-8\"" };
    struct bearer_secret key = BEARER_SECRET_INIT;
    struct bearer_error err;
    char largest[4097];

    (void)state;
    scratch_write("a.key", 0440, "content+as/it=is");
    for (size_t i = 0; i < sizeof challenges / sizeof challenges[0]; i++) {
        if (answer(challenges[i], &key, &err) != BEARER_OK)
            fail_msg("%s: %s", challenges[i], err.text);
        assert_string_equal(bearer_secret_reveal(&key), "content+as/it=is");
        bearer_secret_clear(&key);
    }
    memset(largest, 'k', 4096);
    largest[4096] = '\0';
    scratch_write("b.key", 0400, largest);
    assert_int_equal(answer("Basic realm=%s/b.key", &key, &err), BEARER_OK);
    assert_int_equal(key.length, 4096);
    bearer_secret_clear(&key);
    scratch_write("c.key", 0400, "one line\r\n");
    assert_int_equal(answer("Basic realm=%s/c.key", &key, &err), BEARER_OK);
    assert_string_equal(bearer_secret_reveal(&key), "one line");
    bearer_secret_clear(&key);
}

static void no_other_file_is_read(void **state)
{
    static const struct {
        const char *challenge, *text;
    } rows[] = {
        { "", "it names no key file" },
        { "Bearer realm=%s/a.key", "its challenge is not of the form Basic realm=PATH" },
        { "Basic", "its challenge is not of the form Basic realm=PATH" },
        { "Basic realm=", "its challenge is not of the form Basic realm=PATH" },
        { "Basic realm=\"\"", "its challenge is not of the form Basic realm=PATH" },
        { "Basic path=%s/a.key", "its challenge is not of the form Basic realm=PATH" },
        { "Basic realm=/etc/shadow", "is not" },
        { "Basic realm=/etc/shadow.key", "is not" },
        { "Basic realm=a.key", "is not" },
        { "Basic realm=%s", "is not" },
        { "Basic realm=%s/", "is not" },
        { "Basic realm=%s/.key", "is not" },
        { "Basic realm=%s/.a.key", "is not" },
        { "Basic realm=%s/a.txt", "is not" },
        { "Basic realm=%s/a.keys", "is not" },
        { "Basic realm=%s/below/a.key", "is not" },
        { "Basic realm=%s/../a.key", "is not" },
        { "Basic realm=%s//a.key", "is not" },
        { "Basic realm=%s.other/a.key", "is not" },
        { "Basic realm=%s-a.key", "is not" },
        { "Basic realm=%s/link.key", "is a symbolic link" },
        { "Basic realm=%s/directory.key", "is not a regular file" },
        { "Basic realm=%s/fifo.key", "is not a regular file" },
        { "Basic realm=%s/empty.key", "is empty" },
        { "Basic realm=%s/newline.key", "holds no key" },
        { "Basic realm=%s/lines.key", "holds no key" },
        { "Basic realm=%s/large.key", "is larger than any key" },
    };
    const typeof(rows[0]) *row;
    struct bearer_secret key = BEARER_SECRET_INIT;
    struct bearer_error err;
    char large[4098];

    (void)state;
    scratch_write("a.key", 0400, "content");
    scratch_write("a.txt", 0400, "content");
    scratch_write("below/a.key", 0400, "content");
    scratch_write("empty.key", 0400, "");
    scratch_write("newline.key", 0400, "\n");
    scratch_write("lines.key", 0400, "one\r\nX-Two: 2");
    memset(large, 'k', 4097);
    large[4097] = '\0';
    scratch_write("large.key", 0400, large);
    assert_int_equal(symlink("a.key", scratch_path("link.key")), 0);
    assert_int_equal(mkdir(scratch_path("directory.key"), 0700), 0);
    assert_int_equal(mkfifo(scratch_path("fifo.key"), 0600), 0);
    for_each_row(row, rows)
    {
        if (answer(row->challenge, &key, &err) != BEARER_PEER || strstr(err.text, row->text) == NULL)
            fail_msg("%s: %s", row->challenge, err.text);
        assert_int_equal(key.length, 0);
    }
}

static void a_key_file_that_cannot_be_opened_is_explained(void **state)
{
    struct bearer_secret key = BEARER_SECRET_INIT;
    struct bearer_error err = BEARER_ERROR_INIT;
    const char *elsewhere = scratch_path("elsewhere");

    (void)state;
    assert_int_equal(answer("Basic realm=%s/gone.key", &key, &err), BEARER_LATER);
    assert_non_null(strstr(err.text, "gone.key' is not there"));
    bearer_error_clear(&err);
    assert_int_equal(arc_read_key(elsewhere, scratch_text("Basic realm=%s/a.key", elsewhere), &key, &err), BEARER_LOCAL);
    assert_non_null(strstr(err.text, "cannot be renewed inside a chroot jail: is sasl-bearer-renew.timer running?"));
}

static void somebody_elses_key_file_is_not_read(void **state)
{
    struct bearer_secret key = BEARER_SECRET_INIT;
    struct bearer_error err = BEARER_ERROR_INIT;
    const char *path = scratch_write("a.key", 0444, "content");

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(chown(path, 12345, (gid_t)-1), 0);
    assert_int_equal(answer("Basic realm=%s/a.key", &key, &err), BEARER_PEER);
    assert_non_null(strstr(err.text, "belongs to user id 12345, neither to root nor to the agent"));
    /* An agent that does not run as root owns both. */
    assert_int_equal(chown(scratch_directory(), 12345, (gid_t)-1), 0);
    assert_int_equal(answer("Basic realm=%s/a.key", &key, &err), BEARER_OK);
    bearer_secret_clear(&key);
    assert_int_equal(chown(path, 0, (gid_t)-1), 0);
    assert_int_equal(answer("Basic realm=%s/a.key", &key, &err), BEARER_OK);
    bearer_secret_clear(&key);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_environment_says_who_is_asked),
        cmocka_unit_test(an_environment_that_is_not_supported_is_told),
        cmocka_unit_test(each_service_has_its_own_words_for_an_identity),
        cmocka_unit_test(asking_again_follows_the_table),
        cmocka_unit_test(a_token_is_taken_whatever_its_types),
        cmocka_unit_test(an_error_says_who_must_act),
        cmocka_unit_test(a_number_of_microsofts_brings_its_advice),
        scratch_test(a_key_file_of_the_agent_is_read),
        scratch_test(no_other_file_is_read),
        scratch_test(a_key_file_that_cannot_be_opened_is_explained),
        scratch_test(somebody_elses_key_file_is_not_read),
    };

    if (access("/opt/azcmagent/bin/himds", F_OK) == 0 || access("/var/opt/azcmagent/bin/himds", F_OK) == 0)
        return 77; /* this machine is Azure Arc's, whatever the environment says */
    return run_group("managed_identity", tests);
}
