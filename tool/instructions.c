/* instructions.c - see instructions.h */
#include "tool/instructions.h"

#include "credential/places.h"
#include "credential/service.h"
#include "credential/text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What Microsoft's clouds differ in, as far as people are concerned; hosts and resources are in service.c. */
static const struct cloud {
    const char *name;        /* as in oauth2_cloud */
    const char *portal;      /* where applications are registered */
    const char *exchange;    /* Connect-ExchangeOnline -ExchangeEnvironmentName; NULL = none is needed */
    const char *relay;       /* where mail is submitted */
    const char *old_reading; /* what other tenants consent to for IMAP and POP; NULL = the same as for SMTP */
} clouds[] = {
    { "public", "https://entra.microsoft.com", NULL, "smtp.office365.com", "https://ps.outlook.com" },
    { "usgov", "https://portal.azure.us", "O365USGovGCCHigh", "outlook.office365.us", NULL },
    { "usgov_dod", "https://portal.azure.us", "O365USGovDoD", "outlook-dod.office365.us", NULL },
    { "china", "https://portal.azure.cn", "O365China", "partner.outlook.cn", NULL },
};

static const struct cloud *cloud_of(const struct instructions *about)
{
    for (size_t i = 1; i < sizeof clouds / sizeof clouds[0]; i++)
        if (about->cloud != NULL && strcmp(about->cloud, clouds[i].name) == 0)
            return &clouds[i];
    return &clouds[0];
}

static const struct bearer_service *service_of(const struct instructions *about)
{
    return bearer_service_find("microsoft365", cloud_of(about)->name);
}

static const char *or_word(const char *value, const char *word)
{
    return value != NULL ? value : word;
}

static const char *client_id_of(const struct instructions *about)
{
    return or_word(about->client_id, "CLIENT_ID");
}

static const char *object_id_of(const struct instructions *about)
{
    return or_word(about->object_id, "OBJECT_ID");
}

static const char *mailbox_of(const struct instructions *about, unsigned i)
{
    return i < about->mailbox_count ? about->mailboxes[i] : "MAILBOX";
}

/* With none at hand there is still one to write about. */
static unsigned mailbox_count_of(const struct instructions *about)
{
    return about->mailbox_count > 0 ? about->mailbox_count : 1;
}

/* ------------------------------------------------------------------ consent */

/* Gives PREFIX of "https://HOST/{tenant}/oauth2/..." with its tenant filled in, up to the slash behind it. */
static char *authority_of(const struct instructions *about)
{
    const struct bearer_service *service = service_of(about);
    char *endpoint = bearer_service_endpoint(service->token_endpoint, or_word(about->tenant, service->tenant));
    char *end = endpoint != NULL ? strstr(endpoint, "/oauth2/") : NULL;

    if (end != NULL)
        *end = '\0';
    return endpoint;
}

/* It consents to all that the registration asks for, and needs no redirect URI. */
char *instructions_consent_url(const struct instructions *about)
{
    char *authority = authority_of(about), *url = NULL;

    if (authority != NULL)
        url = bearer_text_format("%s/adminconsent?client_id=%s", authority, client_id_of(about));
    free(authority);
    return url;
}

static void put_consent(FILE *out, const struct instructions *about)
{
    char *url = instructions_consent_url(about);

    fprintf(out, "       %s\n", or_word(url, ""));
    free(url);
}

/* Where the application is another tenant's, the link names what is consented to, and where to go then. */
static void put_foreign_consent(FILE *out, const struct instructions *about)
{
    const char *old_reading = cloud_of(about)->old_reading, *resource = service_of(about)->app_only_resource;
    char *authority = authority_of(about);

    fprintf(out, "   If it is registered in another tenant, it has no such button, and these are the links:\n");
    for (int i = old_reading != NULL ? 0 : 1; i < 2; i++)
        fprintf(out, "       %s/v2.0/adminconsent?client_id=%s&redirect_uri=REDIRECT_URI&scope=%s/.default\n",
                or_word(authority, ""), client_id_of(about), i == 0 ? old_reading : resource);
    free(authority);
}

/* ------------------------------------------------------------------ registration */

struct steps {
    FILE *out;
    unsigned number; /* of the last one */
};

static void put_step(struct steps *steps, const char *text)
{
    fprintf(steps->out, "%u. %s\n", ++steps->number, text);
}

/* Whoever has a client id has an application. */
static void put_application(struct steps *steps, const struct instructions *about)
{
    if (about->client_id != NULL) {
        put_step(steps, "App registrations, All applications: open yours.");
    } else {
        put_step(steps, "App registrations, New registration: any name, accounts of this directory only, no redirect URI.");
        fprintf(steps->out, "   Note the Application (client) ID and the Directory (tenant) ID.\n");
    }
}

static void register_person(struct steps *steps, const struct instructions *about)
{
    const char *names = service_of(about)->delegated_scopes, *name;
    size_t length;

    if (about->told)
        return;
    put_application(steps, about);
    put_step(steps, "Authentication, Add a platform, Mobile and desktop applications, redirect URI http://localhost.");
    fprintf(steps->out, "   Below it, Allow public client flows: Yes (device codes need it).\n"
                        "   No secret: a public client has none.\n");
    put_step(steps, "API permissions, Add a permission, Microsoft Graph, Delegated permissions:");
    while (bearer_text_word(&names, &name, &length))
        fprintf(steps->out, "       %.*s\n", (int)length, name);
    put_step(steps, "Grant admin consent there, or with this link, if people must not consent themselves:");
    put_consent(steps->out, about);
}

static void put_certificate(struct steps *steps, const struct instructions *about)
{
    const struct made_certificate *made = about->made;
    time_t ends = made != NULL ? (time_t)made->ends : 0;
    struct tm day;
    char date[16];

    put_step(steps, "Certificates & secrets, Certificates, Upload certificate:");
    fprintf(steps->out, "       %s\n   It is public; the key stays here.", about->certificate);
    if (made != NULL) {
        strftime(date, sizeof date, "%Y-%m-%d", gmtime_r(&ends, &day));
        fprintf(steps->out, " It is good until %s. Entra shows it with this thumbprint:\n", date);
        fprintf(steps->out, "       SHA-1    %s\n       SHA-256  %s", made->sha1, made->sha256);
    }
    fputc('\n', steps->out);
}

static void put_permissions(struct steps *steps, const struct instructions *about)
{
    put_step(steps, "API permissions, Add a permission, APIs my organization uses, Office 365 Exchange Online, "
                    "Application permissions:");
    fprintf(steps->out, "       SMTP.SendAsApp     to send (not with RBAC for Applications)\n"
                        "       IMAP.AccessAsApp   to read\n"
                        "       POP.AccessAsApp\n");
    put_step(steps, "Grant admin consent there, or with this link:");
    put_consent(steps->out, about);
    if (about->client_id != NULL) /* who has yet to register one does so at home */
        put_foreign_consent(steps->out, about);
}

static void register_application(struct steps *steps, const struct instructions *about)
{
    if (!about->told || about->certificate != NULL)
        put_application(steps, about);
    if (about->certificate != NULL)
        put_certificate(steps, about);
    else if (!about->told && !about->has_credential)
        put_step(steps, "Certificates & secrets, New client secret. Copy its Value now: it is never shown again. "
                        "Note when it expires.");
    if (!about->told)
        put_permissions(steps, about);
    if (about->object_id == NULL) {
        put_step(steps, "Enterprise applications, the same name: note its Object ID.");
        fprintf(steps->out, "   It is NOT the Object ID under App registrations: with that one every login fails. "
                            "What links there to the right page is called Managed application in local directory.\n");
    }
}

char *instructions_registration(const struct instructions *about)
{
    char *text = NULL, *all = NULL;
    size_t size;
    struct steps steps = { .out = open_memstream(&text, &size) };

    if (steps.out == NULL)
        return NULL;
    if (about->app_only)
        register_application(&steps, about);
    else
        register_person(&steps, about);
    if (fclose(steps.out) == 0)
        all = steps.number > 0 ? bearer_text_format("In %s:\n\n%s", cloud_of(about)->portal, text) : strdup("");
    free(text);
    return all;
}

/* ------------------------------------------------------------------ PowerShell */

/* The length of the quote that a text begins with, else 0.  PowerShell takes the four typographic ones for the plain one. */
static size_t quote_length(const char *text)
{
    static const char quotes[][4] = { "'", "\u2018", "\u2019", "\u201a", "\u201b" };

    for (size_t i = 0; i < sizeof quotes / sizeof quotes[0]; i++)
        if (strncmp(text, quotes[i], strlen(quotes[i])) == 0)
            return strlen(quotes[i]);
    return 0;
}

/* In single quotes nothing is special but the quote itself, which is doubled. */
static void put_quoted(FILE *out, const char *text)
{
    fputc('\'', out);
    while (*text != '\0') {
        size_t length = quote_length(text);

        fwrite(text, 1, length, out);
        length += length == 0;
        fwrite(text, 1, length, out);
        text += length;
    }
    fputc('\'', out);
}

/* Writes a line of PowerShell in which each %s becomes a quoted name, in the order of names. */
static void put_line(FILE *out, const char *line, const char *const *names)
{
    const char *place;

    for (; (place = strstr(line, "%s")) != NULL; line = place + 2) {
        fprintf(out, "%.*s", (int)(place - line), line);
        put_quoted(out, *names++);
    }
    fprintf(out, "%s\n", line);
}

#define PUT(out, line, ...) put_line(out, line, (const char *const[]){ __VA_ARGS__ })

static void put_connect(FILE *out, const struct instructions *about)
{
    const char *environment = cloud_of(about)->exchange;

    fprintf(out, "# Exchange Online PowerShell; once: Install-Module ExchangeOnlineManagement\n");
    fprintf(out, "Connect-ExchangeOnline%s%s\n", environment != NULL ? " -ExchangeEnvironmentName " : "",
            or_word(environment, ""));
}

/* The mailbox's own switches, which win over the organisation's. */
static void put_switches(FILE *out, const char *mailbox)
{
    PUT(out, "Set-CASMailbox -Identity %s -SmtpClientAuthenticationDisabled $false", mailbox);
    PUT(out, "Set-CASMailbox -Identity %s -ImapEnabled $true -PopEnabled $true", mailbox);
}

static void put_rights(FILE *out, const char *mailbox, const char *who)
{
    PUT(out, "Add-MailboxPermission -Identity %s -User %s -AccessRights FullAccess", mailbox, who);
    PUT(out, "Add-RecipientPermission %s -Trustee %s -AccessRights SendAs -Confirm:$false", mailbox, who);
}

/* For those who send only: a role in place of the mailbox permissions. */
static void put_rbac(FILE *out, const struct instructions *about)
{
    const char *object_id = object_id_of(about);

    fprintf(out, "\n# Or RBAC for Applications in place of the permissions on each mailbox. It is\n"
                 "# for SMTP only, and the registration must not have the API permission\n"
                 "# SMTP.SendAsApp then:\n"
                 "# New-DistributionGroup -Name 'sasl-bearer mailboxes' -Type Security -Members ");
    for (unsigned i = 0; i < mailbox_count_of(about); i++) {
        fputs(i > 0 ? "," : "", out);
        put_quoted(out, mailbox_of(about, i));
    }
    fprintf(out, "\n# $group = (Get-DistributionGroup 'sasl-bearer mailboxes').DistinguishedName\n"
                 "# New-ManagementScope -Name 'sasl-bearer' -RecipientRestrictionFilter \"MemberOfGroup -eq '$group'\"\n");
    PUT(out, "# New-ManagementRoleAssignment -Name 'sasl-bearer' -Role 'Application SMTP.SendAsApp' -App %s `", object_id);
    fprintf(out, "#     -CustomResourceScope 'sasl-bearer'\n");
    PUT(out, "# Test-ServicePrincipalAuthorization -Identity %s -Resource %s", object_id, mailbox_of(about, 0));
    fprintf(out, "\n# High Volume Email has accounts in place of mailboxes, and wants the API\n"
                 "# permission Mail.Send:\n");
    PUT(out, "# Add-HVEAppAccess -Identity ACCOUNT -AppIds %s", object_id);
}

/* Exchange takes any Object ID without a word, and one of the two that Entra shows is wrong. */
static void put_warning(FILE *out, const struct instructions *about)
{
    fprintf(out, "\n# ATTENTION: the Object ID is the one under Enterprise applications, NOT the one\n"
                 "# under App registrations. With that one this succeeds, and every login fails.\n"
                 "# sasl-bearer check shows the right one as soon as the application gets tokens.\n");
    if (about->object_id == NULL)
        fprintf(out, "# Put it in place of OBJECT_ID, here and below.\n");
}

static void exchange_application(FILE *out, const struct instructions *about)
{
    put_warning(out, about);
    PUT(out, "New-ServicePrincipal -AppId %s -ObjectId %s -DisplayName 'sasl-bearer'", client_id_of(about),
        object_id_of(about));
    fprintf(out, "\n# Each mailbox that it may use; and SMTP AUTH, which is off in organisations\n# made since 2020.\n");
    for (unsigned i = 0; i < mailbox_count_of(about); i++) {
        put_rights(out, mailbox_of(about, i), object_id_of(about));
        put_switches(out, mailbox_of(about, i));
    }
    if (!about->brief)
        put_rbac(out, about);
}

static void exchange_person(FILE *out, const struct instructions *about)
{
    const char *person = or_word(about->person, "PERSON");

    fprintf(out, "\n# SMTP AUTH is off in organisations made since 2020.\n");
    put_switches(out, person);
    if (about->mailbox_count > 0)
        fprintf(out, "\n# Shared mailboxes: nobody signs in as one; somebody who may open it does.\n");
    for (unsigned i = 0; i < about->mailbox_count; i++) {
        put_rights(out, about->mailboxes[i], person);
        put_switches(out, about->mailboxes[i]);
    }
}

void instructions_powershell(FILE *out, const struct instructions *about)
{
    put_connect(out, about);
    if (about->app_only)
        exchange_application(out, about);
    else
        exchange_person(out, about);
}

/* ------------------------------------------------------------------ Postfix */

#define SASL_PASSWD "hash:/etc/postfix/sasl_passwd"

const char instructions_postmap[] = "postmap " SASL_PASSWD;

void instructions_postfix(FILE *out, const struct instructions *about)
{
    const char *relay = cloud_of(about)->relay;
    bool several = about->mailbox_count > 1;

    fprintf(out, "# /etc/postfix/sasl_passwd: the mailbox, then an empty password;\n"
                 "# run postmap after a change\n");
    for (unsigned i = 0; several && i < about->mailbox_count; i++)
        fprintf(out, "%s   %s:\n", about->mailboxes[i], about->mailboxes[i]);
    fprintf(out, "[%s]:587   %s:\n", relay, mailbox_of(about, 0));
    fprintf(out,
            "# /etc/postfix/main.cf\n"
            "relayhost = [%s]:587\n"
            "smtp_sasl_auth_enable = yes\n"
            "smtp_sasl_password_maps = " SASL_PASSWD "\n"
            "smtp_sasl_mechanism_filter = xoauth2\n"
            "smtp_tls_security_level = secure\n"
            "smtp_tls_CAfile = %s\n"
            "smtp_sasl_tls_verified_security_options = noanonymous\n",
            relay, bearer_system_ca_file());
    if (several)
        fprintf(out, "smtp_sender_dependent_authentication = yes\n");
}
