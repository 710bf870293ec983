/* mail_servers.c - see mail_servers.h.  Hosts after Microsoft's endpoint lists and Exchange Online's POP3 and IMAP4 page. */
#include "tool/mail_servers.h"

#include <string.h>

#define SERVER_MAX 3

static const struct {
    const char *service;
    const char *cloud; /* NULL = there is but one */
    const char *urls[SERVER_MAX];
} presets[] = {
    { "microsoft365",
      "public",
      { "imaps://outlook.office365.com", "pop3s://outlook.office365.com", "smtp://smtp.office365.com" } },
    { "microsoft365",
      "usgov",
      { "imaps://outlook.office365.us", "pop3s://outlook.office365.us", "smtp://outlook.office365.us" } },
    { "microsoft365",
      "usgov_dod",
      { "imaps://outlook-dod.office365.us", "pop3s://outlook-dod.office365.us", "smtp://outlook-dod.office365.us" } },
    { "microsoft365", "china", { "imaps://partner.outlook.cn", "pop3s://partner.outlook.cn", "smtp://partner.outlook.cn" } },
    { "outlook",
      NULL,
      { "imaps://outlook.office365.com", "pop3s://outlook.office365.com", "smtp://smtp-mail.outlook.com" } },
    { "gmail", NULL, { "imaps://imap.gmail.com", "pop3s://pop.gmail.com", "smtp://smtp.gmail.com" } },
};

static const char *const *preset_urls(const struct bearer_service *service)
{
    for (size_t i = 0; service != NULL && i < sizeof presets / sizeof presets[0]; i++)
        if (strcmp(presets[i].service, service->name) == 0 &&
            (presets[i].cloud == NULL || strcmp(presets[i].cloud, service->cloud) == 0))
            return presets[i].urls;
    return NULL;
}

enum bearer_status mail_servers_find(const struct arguments *arguments, const struct bearer_account *account,
                                     struct mail_servers *servers, struct bearer_error *err)
{
    const char *const *urls = arguments->list_count > 0 ? arguments->list : preset_urls(account->service);
    unsigned count = arguments->list_count > 0 ? arguments->list_count : urls != NULL ? SERVER_MAX : 0;
    enum bearer_status st = BEARER_OK;

    servers->count = 0;
    for (unsigned i = 0; i < count && st == BEARER_OK; i++)
        if ((st = mail_address_parse(urls[i], &servers->list[i], err)) == BEARER_OK)
            servers->count++;
    return st;
}

bool mail_servers_speak(const struct mail_servers *servers, enum mail_protocol protocol)
{
    for (unsigned i = 0; i < servers->count; i++)
        if (servers->list[i].protocol == protocol)
            return true;
    return servers->count == 0;
}
