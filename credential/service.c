/* service.c - see service.h */
#include "credential/service.h"

#include "credential/text.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define V2(authority, endpoint) "https://" authority "/" BEARER_TENANT "/oauth2/v2.0/" endpoint
#define ENDPOINTS(authority) V2(authority, "token"), V2(authority, "authorize"), V2(authority, "devicecode")
#define PUBLIC "login.microsoftonline.com"
#define USGOV "login.microsoftonline.us"
#define CHINA "login.partner.microsoftonline.cn"

#define MICROSOFT_SCOPES "IMAP.AccessAsUser.All POP.AccessAsUser.All SMTP.Send offline_access"

/* High Volume Email refuses tokens with less than about ten minutes left. */
#define HVE_SERVERS "*.mx.microsoft smtp-hve.office365.com"
#define HVE_LIFE 660

static const struct bearer_service services[] = {
    { "microsoft365", "public", ENDPOINTS(PUBLIC), "organizations", "https://outlook.office.com", MICROSOFT_SCOPES,
      "https://outlook.office365.com", "*.office365.com *.office.com *.outlook.com *.mx.microsoft", HVE_SERVERS, HVE_LIFE },
    { "microsoft365", "usgov", ENDPOINTS(USGOV), "organizations", "https://outlook.office365.us", MICROSOFT_SCOPES,
      "https://outlook.office365.us", "*.office365.us", NULL, 0 },
    { "microsoft365", "usgov_dod", ENDPOINTS(USGOV), "organizations", "https://outlook.office365.us", MICROSOFT_SCOPES,
      "https://outlook.office365.us", "*.office365.us webmail.apps.mil", NULL, 0 },
    { "microsoft365", "china", ENDPOINTS(CHINA), "organizations", "https://partner.outlook.cn", MICROSOFT_SCOPES,
      "https://partner.outlook.cn", "*.outlook.cn", NULL, 0 },
    { "outlook", NULL, ENDPOINTS(PUBLIC), "consumers", "https://outlook.office.com", MICROSOFT_SCOPES, NULL,
      "*.office365.com *.outlook.com", NULL, 0 },
    { "gmail", NULL, "https://oauth2.googleapis.com/token",
      "https://accounts.google.com/o/oauth2/v2/auth?access_type=offline&prompt=consent", NULL, NULL, NULL,
      "https://mail.google.com/", NULL, "*.gmail.com *.googlemail.com", NULL, 0 },
};

const struct bearer_service *bearer_service_at(unsigned i)
{
    return i < sizeof services / sizeof services[0] ? &services[i] : NULL;
}

const struct bearer_service *bearer_service_find(const char *service, const char *cloud)
{
    const struct bearer_service *row;

    for (unsigned i = 0; (row = bearer_service_at(i)) != NULL; i++)
        if (strcmp(row->name, service) == 0 && (row->cloud == NULL || strcmp(row->cloud, cloud) == 0))
            return row;
    return NULL;
}

char *bearer_service_endpoint(const char *endpoint, const char *tenant)
{
    const char *place = strstr(endpoint, BEARER_TENANT);

    if (place == NULL)
        return strdup(endpoint);
    return bearer_text_format("%.*s%s%s", (int)(place - endpoint), endpoint, tenant, place + strlen(BEARER_TENANT));
}

const char *bearer_service_cloud(const char *authority)
{
    const char *host = strncmp(authority, "https://", 8) == 0 ? authority + 8 : "";
    size_t origin = strcspn(host, "/");

    for (size_t i = 0; origin > 0 && i < sizeof services / sizeof services[0]; i++)
        if (services[i].cloud != NULL && strncasecmp(services[i].token_endpoint, authority, 8 + origin) == 0 &&
            services[i].token_endpoint[8 + origin] == '/')
            return services[i].cloud;
    return NULL;
}

static bool has_no_resource(const char *word, size_t length)
{
    static const char *const openid[] = { "openid", "profile", "email", "offline_access" };

    for (size_t i = 0; i < sizeof openid / sizeof openid[0]; i++)
        if (strlen(openid[i]) == length && memcmp(word, openid[i], length) == 0)
            return true;
    return false;
}

char *bearer_service_scope(const char *resource, const char *names)
{
    char *scope = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&scope, &size);
    const char *word, *gap = "";
    size_t length;

    if (out == NULL)
        return NULL;
    while (bearer_text_word(&names, &word, &length)) {
        bool whole = memmem(word, length, "://", 3) != NULL || has_no_resource(word, length) || resource == NULL;

        fprintf(out, "%s%s%s%.*s", gap, whole ? "" : resource, whole ? "" : "/", (int)length, word);
        gap = " ";
    }
    if (fclose(out) != 0) {
        free(scope);
        return NULL;
    }
    return scope;
}
