/* identity_source.c - see identity_source.h */
#include "provider/identity_source.h"

#include "credential/options.h"
#include "credential/text.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IMDS      "http://169.254.169.254"
#define IMDS_PATH "/metadata/identity/oauth2/token"
#define ARC       "http://localhost:40342" IMDS_PATH

static const struct identity_service app_service = {
    .name = "the managed identity endpoint of App Service",
    .version = "2019-08-01",
    .header = "X-IDENTITY-HEADER",
    .client_id = "client_id",
    .object_id = "object_id",
    .resource_id = "mi_res_id",
    .silent = "IDENTITY_ENDPOINT names it: is that this program's own environment?",
    .refused = "IDENTITY_HEADER holds what it is to know us by: is that this program's own environment?",
};

static const struct identity_service old_app_service = {
    .name = "the managed identity endpoint of MSI_ENDPOINT",
    .version = "2017-09-01",
    .header = "secret",
    .client_id = "clientid",
    .silent = "is that this program's own environment?",
    .refused = "MSI_SECRET holds what it is to know us by: is that this program's own environment?",
};

static const struct identity_service arc = {
    .name = "the Azure Arc agent",
    .version = "2020-06-01",
    .challenges = true,
    .silent = "is its service himds running?",
    .refused = "it does not know its own key again: restart its service himds",
};

static const struct identity_service imds = {
    .name = "the managed identity endpoint of this virtual machine",
    .version = "2018-02-01",
    .client_id = "client_id",
    .object_id = "object_id",
    .resource_id = "msi_res_id",
    .silent = "this machine seems not to be on Azure",
    .refused = "may this machine's identity have such a token?",
};

/* ------------------------------------------------------------------ the environment */

/* Lends a variable that has a value.  A setuid program's environment is its caller's. */
static const char *variable(const char *name)
{
    const char *value = secure_getenv(name);

    return value != NULL && *value != '\0' ? value : NULL;
}

static atomic_bool arc_was_seen;

static bool arc_is_installed(void)
{
    return access("/opt/azcmagent/bin/himds", F_OK) == 0 || access("/var/opt/azcmagent/bin/himds", F_OK) == 0;
}

void identity_source_prepare(void)
{
    if (arc_is_installed())
        atomic_store(&arc_was_seen, true);
}

/* ------------------------------------------------------------------ one source */

/* The service's name and the host of its URL. */
static void name_source(struct identity_source *source)
{
    const char *host = strstr(source->url, "://") + 3;

    snprintf(source->name, sizeof source->name, "%s (%.*s)", source->service->name, (int)strcspn(host, "/?#"), host);
}

static enum bearer_status set_header(struct identity_source *source, const char *secret_variable, struct bearer_error *err)
{
    const char *name = source->service->header, *secret = name != NULL ? variable(secret_variable) : "true";
    size_t length = strlen(secret);
    enum bearer_status st;

    if (name == NULL)
        name = "Metadata";
    if (bearer_text_has_control(secret, length))
        return bearer_fail(err, BEARER_CONFIG, "the environment's %s holds control characters", secret_variable);
    st = bearer_secret_reserve(&source->header, strlen(name) + 2 + length, err);
    if (st != BEARER_OK)
        return st;
    snprintf(source->header.bytes, source->header.length + 1, "%s: %s", name, secret);
    if (source->service->header != NULL)
        source->secret = source->header.bytes + strlen(name) + 2;
    return BEARER_OK;
}

/* A source at base and path.  url_variable is where that comes from, for the error. */
static enum bearer_status set(struct identity_source *source, const struct identity_service *service,
                              const char *url_variable, const char *secret_variable, const char *base, const char *path,
                              struct bearer_error *err)
{
    size_t length = strlen(base);
    enum bearer_status st;

    while (length > 0 && *path == '/' && base[length - 1] == '/')
        length--;
    source->service = service;
    source->url = bearer_text_format("%.*s%s", (int)length, base, path);
    if (source->url == NULL)
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    st = bearer_url_check(source->url, err);
    if (st != BEARER_OK) {
        bearer_error_prepend(err, "the environment's %s: ", url_variable);
        return st;
    }
    name_source(source);
    return set_header(source, secret_variable, err);
}

/* Microsoft's order: whoever sets variables for one service may have inherited those of another. */
static enum bearer_status find(struct identity_source *source, struct bearer_error *err)
{
    const char *endpoint = variable("IDENTITY_ENDPOINT"), *msi = variable("MSI_ENDPOINT");
    const char *pod = variable("AZURE_POD_IDENTITY_AUTHORITY_HOST");

    if (endpoint != NULL && variable("IDENTITY_HEADER") != NULL) {
        if (variable("IDENTITY_SERVER_THUMBPRINT") != NULL)
            return bearer_fail(err, BEARER_CONFIG,
                               "the environment names Service Fabric's managed identity endpoint, which is "
                               "not supported: use oauth2_provider: app_only");
        return set(source, &app_service, "IDENTITY_ENDPOINT", "IDENTITY_HEADER", endpoint, "", err);
    }
    if (msi != NULL && variable("MSI_SECRET") != NULL)
        return set(source, &old_app_service, "MSI_ENDPOINT", "MSI_SECRET", msi, "", err);
    if (msi != NULL)
        return bearer_fail(err, BEARER_CONFIG,
                           "the environment names Cloud Shell's endpoint (MSI_ENDPOINT), which has tokens of "
                           "its user and no managed identity");
    if (endpoint != NULL && variable("IMDS_ENDPOINT") != NULL)
        return set(source, &arc, "IDENTITY_ENDPOINT", NULL, endpoint, "", err);
    if (arc_is_installed() || atomic_load(&arc_was_seen))
        return set(source, &arc, "IDENTITY_ENDPOINT", NULL, ARC, "", err);
    return set(source, &imds, "AZURE_POD_IDENTITY_AUTHORITY_HOST", NULL, pod != NULL ? pod : IMDS, IMDS_PATH, err);
}

enum bearer_status identity_source_find(struct identity_source *source_out, struct bearer_error *err)
{
    enum bearer_status st;

    *source_out = (struct identity_source)IDENTITY_SOURCE_INIT;
    st = find(source_out, err);
    if (st != BEARER_OK)
        identity_source_clear(source_out);
    return st;
}

void identity_source_clear(struct identity_source *source)
{
    free(source->url);
    bearer_secret_clear(&source->header);
    *source = (struct identity_source)IDENTITY_SOURCE_INIT;
}

/* ------------------------------------------------------------------ one identity of several */

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

enum bearer_status identity_source_choose(const struct identity_source *source, const char *wish,
                                          struct http_field *field_out, struct bearer_error *err)
{
    const struct identity_service *service = source->service;

    *field_out = (struct http_field){ NULL, NULL };
    if (wish == NULL || strcmp(wish, "system") == 0)
        return BEARER_OK;
    if (begins(wish, "object:"))
        *field_out = (struct http_field){ service->object_id, wish + strlen("object:") };
    else if (begins(wish, "resource:"))
        *field_out = (struct http_field){ service->resource_id, wish + strlen("resource:") };
    else
        *field_out = (struct http_field){ service->client_id, wish };
    if (field_out->name != NULL)
        return BEARER_OK;
    return bearer_fail(err, BEARER_CONFIG, "%s %s, but oauth2_managed_identity is '%s'", source->name,
                       service->client_id != NULL ? "wants an identity named by its client id"
                                                  : "knows the machine's own identity only",
                       wish);
}
