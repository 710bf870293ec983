/* check_claims.c - what a token says of itself, against what each protocol asks for.
 *
 * Facts: Microsoft's access-token-claims-reference and how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth. */
#include "tool/check_claims.h"

#include "credential/text.h"
#include "tool/mail_servers.h"

#include <string.h>
#include <strings.h>

#define AREA "token"

/* What a token must allow for each protocol: a scope where a person signed in, a role for an application on its own. */
static const struct permission {
    enum mail_protocol protocol;
    const char *scope;
    const char *role;
} permissions[] = {
    { MAIL_IMAP, "IMAP.AccessAsUser.All", "IMAP.AccessAsApp" },
    { MAIL_POP3, "POP.AccessAsUser.All", "POP.AccessAsApp" },
    { MAIL_SMTP, "SMTP.Send", "SMTP.SendAsApp" },
};

const char *check_claim(const json_t *claims, const char *name)
{
    const char *text = json_string_value(json_object_get(claims, name));

    return text != NULL ? text : "";
}

/* ------------------------------------------------------------------ whom it is for */

static bool same_resource(const char *audience, const char *resource)
{
    size_t length = strlen(audience);

    if (length > 0 && audience[length - 1] == '/')
        length--;
    return resource != NULL && strlen(resource) == length && strncasecmp(audience, resource, length) == 0;
}

/* Each cloud has its own name for it, the worldwide one two; and everywhere it has the same number. */
static bool is_for_exchange(const char *audience, const struct bearer_service *service)
{
    static const char number[] = "00000002-0000-0ff1-ce00-000000000000";

    return same_resource(audience, service->delegated_resource) || same_resource(audience, service->app_only_resource) ||
           same_resource(audience, number) ||
           (same_resource("https://outlook.office.com", service->delegated_resource) &&
            same_resource(audience, "https://outlook.office365.com"));
}

static bool is_for_graph(const char *audience)
{
    return strcasestr(audience, "graph") != NULL || same_resource(audience, "00000003-0000-0000-c000-000000000000");
}

static void check_audience(struct check *check, const struct bearer_account *account, const char *audience)
{
    const struct bearer_service *service = account->service;

    if (is_for_graph(audience))
        check_say(
            check, CHECK_PROBLEM, AREA,
            "write scopes in full, or without any prefix, in oauth2_scope: https://outlook.office.com/SMTP.Send, never "
            "https://graph.microsoft.com/..., or take oauth2_scope out",
            "the token is for Microsoft Graph (%s): no mail server takes it", audience);
    else if (service == NULL || service->delegated_resource == NULL)
        check_say(check, CHECK_OK, AREA, NULL, "the token is for '%s'", audience);
    else if (is_for_exchange(audience, service))
        check_say(check, CHECK_OK, AREA, NULL, "the token is for Exchange (%s)", audience);
    else
        check_say(check, CHECK_PROBLEM, AREA, "check oauth2_scope and oauth2_cloud",
                  "the token is for '%s', which is not Exchange in this cloud", audience);
}

/* ------------------------------------------------------------------ what it allows */

static bool has_role(const json_t *roles, const char *role)
{
    size_t i;
    json_t *value;

    json_array_foreach(roles, i,
                       value) if (json_is_string(value) && strcasecmp(json_string_value(value), role) == 0) return true;
    return false;
}

/* Scopes are compared without their resource, and without regard to case. */
static bool has_scope(const char *scopes, const char *scope)
{
    const char *word;
    size_t length;

    while (bearer_text_word(&scopes, &word, &length))
        if (length == strlen(scope) && strncasecmp(word, scope, length) == 0)
            return true;
    return false;
}

static void check_permission(struct check *check, const json_t *claims, const struct permission *permission)
{
    const char *scopes = check_claim(claims, "scp"), *name = mail_protocol_name(permission->protocol);
    const json_t *roles = json_object_get(claims, "roles");

    if (*scopes != '\0' && has_scope(scopes, permission->scope))
        check_say(check, CHECK_OK, AREA, NULL, "it allows %s (%s)", name, permission->scope);
    else if (*scopes != '\0')
        check_say(check, CHECK_WARNING, AREA,
                  "add the permission to the registration (Microsoft Graph, Delegated), consent, and to oauth2_scope if "
                  "that is set; then sign in again",
                  "it does not allow %s: %s is not among its scopes", name, permission->scope);
    else if (has_role(roles, permission->role))
        check_say(check, CHECK_OK, AREA, NULL, "it allows %s (%s)", name, permission->role);
    else
        check_say(check, CHECK_WARNING, AREA,
                  permission->protocol == MAIL_SMTP && json_array_size(roles) == 0
                      ? "add the Application permission of Office 365 Exchange Online, with an administrator's consent; "
                        "with RBAC for Applications it is right that there is none"
                      : "add the Application permission of Office 365 Exchange Online, with an administrator's consent",
                  "it does not allow %s: %s is not among its roles", name, permission->role);
}

static void check_permissions(struct check *check, const struct bearer_account *account, const json_t *claims)
{
    struct mail_servers servers;
    struct bearer_error err = BEARER_ERROR_INIT;

    if (mail_servers_find(check->arguments, account, &servers, &err) != BEARER_OK)
        return; /* told where the servers are looked at */
    for (size_t i = 0; i < sizeof permissions / sizeof permissions[0]; i++)
        if (mail_servers_speak(&servers, permissions[i].protocol))
            check_permission(check, claims, &permissions[i]);
}

/* ------------------------------------------------------------------ whose it is */

static bool is_guid(const char *text)
{
    return strlen(text) == 36 && strspn(text, "0123456789abcdefABCDEF-") == 36;
}

static void check_tenant(struct check *check, const struct bearer_account *account, const char *tid)
{
    const char *tenant = account->values[OPT_TENANT];

    if (tenant == NULL || !is_guid(tenant) || *tid == '\0')
        return;
    if (strcasecmp(tenant, tid) != 0)
        check_say(check, CHECK_PROBLEM, AREA, "check oauth2_tenant, and who signed in", "it is from tenant %s, not from %s",
                  tid, tenant);
}

static void check_person(struct check *check, const char *person)
{
    if (strcasecmp(person, check->user) == 0)
        check_say(check, CHECK_OK, AREA, NULL, "it is %s's own", person);
    else
        check_say(check, CHECK_OK, AREA, NULL,
                  "it is %s's, who must have FullAccess on %s, and SendAs to send as it: a shared mailbox, or another name "
                  "of the same",
                  person, check->user);
}

static void check_owner(struct check *check, const struct bearer_account *account, const json_t *claims)
{
    const char *person = check_claim(claims, "upn"), *oid = check_claim(claims, "oid");
    const char *client = check_claim(claims, *check_claim(claims, "appid") != '\0' ? "appid" : "azp");

    if (*person == '\0')
        person = check_claim(claims, "unique_name");
    check_tenant(check, account, check_claim(claims, "tid"));
    if (*client != '\0' && account->values[OPT_CLIENT_ID] != NULL && strcasecmp(client, account->values[OPT_CLIENT_ID]) != 0)
        check_say(check, CHECK_WARNING, AREA, "check oauth2_client_id", "it was issued to application %s, not to %s", client,
                  account->values[OPT_CLIENT_ID]);
    if (*person != '\0')
        check_person(check, person);
    else if (*oid != '\0')
        check_say(check, CHECK_OK, AREA, NULL,
                  "it is the application's own: Exchange must know it by New-ServicePrincipal -AppId %s -ObjectId %s",
                  client, oid);
}

/* ------------------------------------------------------------------ all of it */

void check_claims(struct check *check, const struct bearer_account *account, const json_t *claims)
{
    const char *audience = check_claim(claims, "aud");

    if (*audience == '\0')
        return;
    check_audience(check, account, audience);
    if (is_for_graph(audience) || account->service == NULL || account->service->delegated_resource == NULL)
        return; /* what it allows elsewhere says nothing about mail */
    if (*check_claim(claims, "scp") == '\0' && json_array_size(json_object_get(claims, "roles")) == 0)
        check_say(check, CHECK_WARNING, AREA, "grant the permissions, and an administrator's consent to them",
                  "it names no permission at all: Microsoft's authority issues such tokens, Exchange refuses them without a "
                  "word, but for RBAC for Applications");
    check_permissions(check, account, claims);
    check_owner(check, account, claims);
}
