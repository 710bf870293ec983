/* What people are told to do elsewhere: quoted well, filled in, of the right cloud. */
#include "tests/unit/scratch.h"

#include "tool/instructions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Lends what is written, until the test ends. */
static const char *written(void (*put)(FILE *out, const struct instructions *about), const struct instructions *about)
{
    char *text = NULL;
    const char *kept;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    put(out, about);
    fclose(out);
    kept = scratch_text("%s", text);
    free(text);
    return kept;
}

/* Lends the steps in Entra, until the test ends. */
static const char *registration(const struct instructions *about)
{
    char *text = instructions_registration(about);
    const char *kept = scratch_text("%s", text);

    assert_non_null(text);
    free(text);
    return kept;
}

static void has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' is missing in:\n%s", part, text);
}

static void has_not(const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        fail_msg("'%s' is in:\n%s", part, text);
}

static void test_names_cannot_leave_their_quotes(void **state)
{
    static const struct {
        const char *name, *quoted;
    } rows[] = {
        { "relay@contoso.com", "'relay@contoso.com'" },
        { "o'brien@contoso.com", "'o''brien@contoso.com'" },
        { "'; Remove-Mailbox x #@contoso.com", "'''; Remove-Mailbox x #@contoso.com'" },
        { "$(whoami)`n\"@contoso.com", "'$(whoami)`n\"@contoso.com'" },
        { "o\u2019brien\u2018\u201a\u201b@contoso.com", "'o\u2019\u2019brien\u2018\u2018\u201a\u201a\u201b\u201b@contoso.com'" },
        { "j\u00f6rg@contoso.com", "'j\u00f6rg@contoso.com'" },
    }, *row;

    (void)state;
    for_each_row(row, rows)
    {
        const char *const mailboxes[] = { "first@contoso.com", row->name };
        struct instructions about = { .app_only = true, .mailboxes = mailboxes, .mailbox_count = 2 };
        const char *script = written(instructions_powershell, &about);

        has(script,
            scratch_text("Add-MailboxPermission -Identity %s -User 'OBJECT_ID' -AccessRights FullAccess\n", row->quoted));
        has(script, scratch_text("Set-CASMailbox -Identity %s -SmtpClientAuthenticationDisabled $false\n", row->quoted));
        has(script, scratch_text("-Members 'first@contoso.com',%s\n", row->quoted));
        has(script, "Add-RecipientPermission 'first@contoso.com' -Trustee 'OBJECT_ID'");
    }
}

static void test_what_is_known_is_filled_in(void **state)
{
    static const char *const mailboxes[] = { "relay@contoso.com" };
    const struct instructions about = {
        .app_only = true,
        .tenant = "contoso.com",
        .client_id = "my-client",
        .object_id = "my-object",
        .certificate = "/etc/relay.crt",
        .mailboxes = mailboxes,
        .mailbox_count = 1,
    };
    const char *script = written(instructions_powershell, &about), *steps = registration(&about);

    (void)state;
    has(script, "New-ServicePrincipal -AppId 'my-client' -ObjectId 'my-object' -DisplayName 'sasl-bearer'\n");
    has(script, "-App 'my-object' `\n");
    has(steps, "In https://entra.microsoft.com:\n\n1. App registrations, All applications: open yours.\n2. ");
    has(steps, "Upload certificate:\n       /etc/relay.crt\n");
    has(steps, "       SMTP.SendAsApp ");
    has(steps, "       https://login.microsoftonline.com/contoso.com/adminconsent?client_id=my-client\n");
    has(steps,
        "https://login.microsoftonline.com/contoso.com/v2.0/adminconsent?client_id=my-client&redirect_uri=REDIRECT_URI"
        "&scope=https://ps.outlook.com/.default\n");
    has_not(steps, "New client secret");
    has_not(steps, "New registration");
    has_not(steps, "Enterprise applications");
    has_not(script, "CLIENT_ID");
    has_not(script, "OBJECT_ID");
}

static void test_with_nothing_known_it_can_still_be_read(void **state)
{
    const struct instructions nobody = { .app_only = false }, nothing = { .app_only = true };

    (void)state;
    has(written(instructions_powershell, &nothing), "Add-MailboxPermission -Identity 'MAILBOX' -User 'OBJECT_ID'");
    has(registration(&nothing), "New client secret. Copy its Value now");
    has(registration(&nobody), "       https://login.microsoftonline.com/organizations/adminconsent?client_id=CLIENT_ID\n");
    has(written(instructions_postfix, &nothing), "[smtp.office365.com]:587   MAILBOX:\n");
}

static void test_what_is_done_is_not_told(void **state)
{
    const struct made_certificate made = { .sha1 = "AB12", .sha256 = "CD34", .ends = 1800000000 };
    struct instructions about = { .app_only = true, .has_credential = true, .client_id = "my-client" };
    const char *steps = registration(&about);

    (void)state;
    has(steps, "2. API permissions");
    has(steps, "redirect_uri=REDIRECT_URI");
    has(steps, "4. Enterprise applications, the same name: note its Object ID.\n   It is NOT the Object ID under App reg");
    has_not(steps, "secret");

    about.told = true; /* all but the Object ID, which is wanted */
    assert_text(registration(&about), "%s",
                "In https://entra.microsoft.com:\n\n1. Enterprise applications, the same name: note its Object ID.\n"
                "   It is NOT the Object ID under App registrations: with that one every login fails. What links there to "
                "the right page is called Managed application in local directory.\n");
    about.object_id = "my-object";
    assert_text(registration(&about), "%s", "");

    about.certificate = "/etc/relay.crt";
    about.made = &made;
    assert_text(registration(&about), "%s",
                "In https://entra.microsoft.com:\n\n1. App registrations, All applications: open yours.\n"
                "2. Certificates & secrets, Certificates, Upload certificate:\n       /etc/relay.crt\n"
                "   It is public; the key stays here. It is good until 2027-01-15. Entra shows it with this thumbprint:\n"
                "       SHA-1    AB12\n       SHA-256  CD34\n");

    about = (struct instructions){ .told = true };
    assert_text(registration(&about), "%s", "");
}

static void test_the_object_id_is_warned_of(void **state)
{
    struct instructions about = { .app_only = true };
    const char *script = written(instructions_powershell, &about);

    (void)state;
    has(script, "# ATTENTION: the Object ID is the one under Enterprise applications, NOT the one\n");
    has(script, "# Put it in place of OBJECT_ID, here and below.\nNew-ServicePrincipal ");
    about.object_id = "my-object";
    script = written(instructions_powershell, &about);
    has(script, "gets tokens.\nNew-ServicePrincipal ");
}

/* Commands are copied whole; what is said about them has to fit. */
static void test_remarks_fit_a_terminal(void **state)
{
    const struct instructions about = { .app_only = true }, person = { .app_only = false };
    const char *texts[] = { written(instructions_powershell, &about), written(instructions_powershell, &person),
                            written(instructions_postfix, &about) };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        for (const char *line = texts[i], *end; *line != '\0'; line = end + 1) {
            end = strchr(line, '\n');
            if (strncmp(line, "# ", 2) == 0 && end - line > 80 && strncmp(line, "# New-", 6) != 0)
                fail_msg("%.*s", (int)(end - line), line);
        }
}

static void test_other_ways_are_for_those_who_ask(void **state)
{
    struct instructions about = { .app_only = true };

    (void)state;
    has(written(instructions_powershell, &about), "RBAC for Applications");
    about.brief = true;
    has_not(written(instructions_powershell, &about), "RBAC for Applications");
}

static void test_people_are_told_their_own_story(void **state)
{
    static const char *const shared[] = { "info@fabrikam.com" };
    const struct instructions about = { .person = "bob@fabrikam.com", .mailboxes = shared, .mailbox_count = 1 };
    const char *steps = registration(&about), *script = written(instructions_powershell, &about);

    (void)state;
    has(steps, "       IMAP.AccessAsUser.All\n       POP.AccessAsUser.All\n       SMTP.Send\n       offline_access\n");
    has(steps, "redirect URI http://localhost");
    has_not(steps, "AsApp");
    has(script, "Add-MailboxPermission -Identity 'info@fabrikam.com' -User 'bob@fabrikam.com' -AccessRights FullAccess\n");
    has(script, "Set-CASMailbox -Identity 'bob@fabrikam.com' -SmtpClientAuthenticationDisabled $false\n");
    has_not(script, "New-ServicePrincipal");
}

static void test_every_cloud_has_its_own_hosts(void **state)
{
    static const struct {
        const char *cloud, *portal, *url, *connect, *relay;
    } rows[] = {
        { "public", "https://entra.microsoft.com", "https://login.microsoftonline.com/t/", "Connect-ExchangeOnline\n",
          "smtp.office365.com" },
        { "usgov", "https://portal.azure.us", "https://login.microsoftonline.us/t/",
          "Connect-ExchangeOnline -ExchangeEnvironmentName O365USGovGCCHigh\n", "outlook.office365.us" },
        { "usgov_dod", "https://portal.azure.us", "https://login.microsoftonline.us/t/",
          "Connect-ExchangeOnline -ExchangeEnvironmentName O365USGovDoD\n", "outlook-dod.office365.us" },
        { "china", "https://portal.azure.cn", "https://login.partner.microsoftonline.cn/t/",
          "Connect-ExchangeOnline -ExchangeEnvironmentName O365China\n", "partner.outlook.cn" },
    }, *row;

    (void)state;
    for_each_row(row, rows)
    {
        const struct instructions about = { .app_only = true, .cloud = row->cloud, .tenant = "t" };
        char *url = instructions_consent_url(&about);

        assert_text(url, "%sadminconsent?client_id=CLIENT_ID", row->url);
        free(url);
        has(registration(&about), scratch_text("In %s:\n", row->portal));
        has(written(instructions_powershell, &about), row->connect);
        has(written(instructions_postfix, &about), scratch_text("relayhost = [%s]:587\n", row->relay));
        if (strcmp(row->cloud, "public") != 0)
            has_not(registration(&about), ".com");
    }
}

static void test_several_mailboxes_are_several_senders(void **state)
{
    static const char *const mailboxes[] = { "a@contoso.com", "b@contoso.com" };
    struct instructions about = { .app_only = true, .mailboxes = mailboxes, .mailbox_count = 2 };

    (void)state;
    has(written(instructions_postfix, &about), "a@contoso.com   a@contoso.com:\nb@contoso.com   b@contoso.com:\n"
                                               "[smtp.office365.com]:587   a@contoso.com:\n");
    has(written(instructions_postfix, &about), "smtp_sender_dependent_authentication = yes\n");
    about.mailbox_count = 1;
    has_not(written(instructions_postfix, &about), "dependent");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_names_cannot_leave_their_quotes),
        scratch_test(test_what_is_known_is_filled_in),
        scratch_test(test_with_nothing_known_it_can_still_be_read),
        scratch_test(test_what_is_done_is_not_told),
        scratch_test(test_the_object_id_is_warned_of),
        scratch_test(test_remarks_fit_a_terminal),
        scratch_test(test_other_ways_are_for_those_who_ask),
        scratch_test(test_people_are_told_their_own_story),
        scratch_test(test_every_cloud_has_its_own_hosts),
        scratch_test(test_several_mailboxes_are_several_senders),
    };

    return run_group("instructions", tests);
}
