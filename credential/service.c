/* service.c - see service.h */
#include "credential/service.h"

#include "credential/text.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MICROSOFT365_SCOPES "IMAP.AccessAsUser.All POP.AccessAsUser.All SMTP.Send offline_access"

static const struct bearer_service services[] = {
    { "microsoft365", "public", "login.microsoftonline.com", "https://outlook.office.com", MICROSOFT365_SCOPES,
      "https://outlook.office365.com", "*.office365.com *.office.com *.outlook.com *.mx.microsoft" },
    { "microsoft365", "usgov", "login.microsoftonline.us", "https://outlook.office365.us", MICROSOFT365_SCOPES,
      "https://outlook.office365.us", "*.office365.us" },
    { "microsoft365", "usgov_dod", "login.microsoftonline.us", "https://outlook.office365.us", MICROSOFT365_SCOPES,
      "https://outlook.office365.us", "*.office365.us webmail.apps.mil" },
    { "microsoft365", "china", "login.partner.microsoftonline.cn", "https://partner.outlook.cn", MICROSOFT365_SCOPES,
      "https://partner.outlook.cn", "*.outlook.cn" },
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

char *bearer_service_endpoint(const struct bearer_service *service, const char *tenant, const char *name)
{
    return bearer_text_format("https://%s/%s/oauth2/v2.0/%s", service->authority, tenant, name);
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
