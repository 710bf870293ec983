/* test_server_texts.c - what mail servers say is understood: each text that Microsoft's pages, Gmail, Dovecot and Postfix
 * are known for finds its own row, and no row is there in vain. */
#include "tests/unit/scratch.h"
#include "tool/server_texts.h"

#include "credential/text.h"

#include <stdbool.h>
#include <string.h>

/* Real texts, and a part of the meaning that they must find. */
static const struct {
    const char *protocol;
    const char *reply;
    enum server_text_who who;
    const char *meaning;
} texts[] = {
    { "imap", "BAD User is authenticated but not connected.", SERVER_TEXT_EXCHANGE, "the token is good" },
    { "imap", "NO AUTHENTICATE failed.", SERVER_TEXT_EXCHANGE, "IMAP is off" },
    { "imap", "NO LOGIN failed.", SERVER_TEXT_HERE, "a password" },
    { "imap", "NO SASL authentication failed", SERVER_TEXT_USER, "Gmail" },
    { "imap", "NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)", SERVER_TEXT_USER, "Gmail" },
    { "imap", "NO [AUTHENTICATIONFAILED] Authentication failed.", SERVER_TEXT_HERE, "does not take the token" },
    { "imap", "BAD Command Error. 12", SERVER_TEXT_HERE, "form of login" },
    { "imap", "BYE Connection closed. 14", SERVER_TEXT_NOBODY, "ends the conversation" },
    { "pop3", "-ERR Authentication failure: unknown user name or bad password.", SERVER_TEXT_EXCHANGE, "POP is off" },
    { "pop3", "-ERR Logon failure: unknown user name or bad password.", SERVER_TEXT_HERE, "a password" },
    { "pop3", "-ERR Protocol error. Connection is closed. 10", SERVER_TEXT_HERE, "two lines" },
    { "pop3", "-ERR [AUTH] Authentication failed.", SERVER_TEXT_HERE, "does not take the token" },
    { "smtp",
      "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit "
      "https://aka.ms/smtp_auth_disabled for more information. [AM6PR01.eurprd01.prod.exchangelabs.com]",
      SERVER_TEXT_EXCHANGE, "for the whole organisation" },
    { "smtp",
      "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox. Visit "
      "https://aka.ms/smtp_auth_disabled for more information.",
      SERVER_TEXT_EXCHANGE, "for this mailbox" },
    { "smtp", "535 5.7.139 Authentication unsuccessful, basic authentication is disabled. [X]", SERVER_TEXT_HERE,
      "a password" },
    { "smtp",
      "535 5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy. Contact "
      "your "
      "administrator.",
      SERVER_TEXT_TENANT, "security defaults" },
    { "smtp",
      "535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated successfully.",
      SERVER_TEXT_TENANT, "a policy" },
    { "smtp", "535 5.7.139 Authentication unsuccessful, the user credentials were incorrect.", SERVER_TEXT_HERE,
      "a wrong one" },
    { "smtp", "535 5.7.139 Authentication unsuccessful, for a reason of tomorrow", SERVER_TEXT_TENANT,
      "policy of the organisation" },
    { "smtp", "535 5.7.3 Authentication unsuccessful [AM6PR01 2026-01-09T02:02:12.000Z 08DE]", SERVER_TEXT_EXCHANGE,
      "SMTP.SendAsApp" },
    { "smtp", "501 5.5.127 Invalid XOAUTH2 auth data - Token will expire soon", SERVER_TEXT_HERE, "last ten minutes" },
    { "smtp", "501 5.5.124 Invalid XOAUTH2 auth data", SERVER_TEXT_HERE, "malformed" },
    { "smtp", "535 5.7.142 Token about to expire", SERVER_TEXT_HERE, "ends too soon" },
    { "smtp", "535 5.7.143 Token expired", SERVER_TEXT_HERE, "has expired" },
    { "smtp", "535 5.7.144 Wrong permission", SERVER_TEXT_TENANT, "wrong API permission" },
    { "smtp", "550 5.7.240 App not allowed", SERVER_TEXT_EXCHANGE, "not allowed for this account" },
    { "smtp", "550 5.5.105 External recipient", SERVER_TEXT_HERE, "within the organisation" },
    { "smtp", "530 5.7.57 Client not authenticated to send mail.", SERVER_TEXT_HERE, "not see us as logged in" },
    { "smtp", "550 5.7.30 Basic authentication is not supported for Client Submission", SERVER_TEXT_HERE,
      "takes none any more" },
    { "smtp", "550 5.7.60 SMTP; Client does not have permissions to send as this sender", SERVER_TEXT_EXCHANGE,
      "not the mailbox" },
    { "smtp", "554 5.7.60 SMTP; Client does not have permissions to send as this sender", SERVER_TEXT_EXCHANGE,
      "not the mailbox" },
    { "smtp", "554 5.2.252 SendAsDenied; a@contoso.com not allowed to send as b@contoso.com", SERVER_TEXT_EXCHANGE,
      "may not send" },
    { "smtp", "554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied",
      SERVER_TEXT_EXCHANGE, "may not send" },
    { "smtp", "550 5.2.251 blocked", SERVER_TEXT_NOBODY, "blocked for a while" },
    { "smtp", "550 5.2.255 blocked", SERVER_TEXT_NOBODY, "blocked for a while" },
    { "smtp", "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", SERVER_TEXT_NOBODY, "three connections" },
    { "smtp", "432 4.7.12 A password transition is needed", SERVER_TEXT_USER, "password to be changed" },
    { "smtp", "451 4.7.0 Temporary server error. Please try again later. PRX4", SERVER_TEXT_NOBODY,
      "could not reach the mailbox" },
    { "smtp", "421 4.3.2 Service not active", SERVER_TEXT_NOBODY, "maintenance" },
    { "smtp", "454 4.7.0 Temporary authentication failure", SERVER_TEXT_NOBODY, "temporary failure of authentication" },
    { "smtp", "430 4.7.0 Later", SERVER_TEXT_NOBODY, "no page of Microsoft's" },
    { "smtp", "421 too many connections", SERVER_TEXT_NOBODY, "ends the conversation" },
    { "smtp", "534-5.7.9 Please log in with your web browser and then try again.", SERVER_TEXT_USER, "by browser" },
    { "smtp", "535 5.7.8  https://support.google.com/mail/?p=BadCredentials a1-gsmtp", SERVER_TEXT_USER, "Gmail" },
    { "smtp", "535-5.7.8 Username and Password not accepted. For more information, go to", SERVER_TEXT_USER, "Gmail" },
    { "smtp", "535-5.7.1 Username and Password not accepted", SERVER_TEXT_USER, "Gmail" },
    { "smtp", "535 5.7.8 Error: authentication failed: {\"status\":\"401\"}", SERVER_TEXT_HERE, "does not take the token" },
    { "smtp", "500 5.5.2 Line too long", SERVER_TEXT_HERE, "one line" },
    { "smtp", "500 5.5.6 Authentication exchange line is too long", SERVER_TEXT_HERE, "longer than the server takes" },
    { "smtp", "504 5.7.4 Unrecognized authentication type", SERVER_TEXT_HERE, "does not know this mechanism" },
    { "smtp", "530 5.7.0 Must issue a STARTTLS command first", SERVER_TEXT_HERE, "TLS or a login first" },
    { "smtp", "538 5.7.11 Encryption required for requested authentication mechanism", SERVER_TEXT_HERE, "TLS" },
    { "challenge", "{\"status\":\"401\",\"schemes\":\"Bearer\",\"scope\":\"https://mail.google.com/\"}", SERVER_TEXT_HERE,
      "dead" },
    { "challenge", "{\"status\":401}", SERVER_TEXT_HERE, "dead" },
    { "challenge", "{\"status\":\"400\",\"schemes\":\"Bearer\",\"scope\":\"https://mail.google.com/\"}", SERVER_TEXT_HERE,
      "for this mailbox" },
    { "challenge", "{\"status\":\"403\",\"schemes\":\"bearer\",\"scope\":\"mail\"}", SERVER_TEXT_TENANT,
      "lacks a permission" },
    { "challenge", "{\"status\":\"invalid_token\",\"scope\":\"mail\"}", SERVER_TEXT_HERE, "dead" },
    { "challenge", "{\"status\":\"invalid_request\",\"scope\":\"https://mail.google.com/\"}", SERVER_TEXT_HERE,
      "for this mailbox" },
    { "challenge", "{\"status\":\"insufficient_scope\",\"scope\":\"mail\"}", SERVER_TEXT_TENANT, "lacks a permission" },
};

#define TEXT_COUNT (sizeof texts / sizeof texts[0])

static void every_known_text_finds_its_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        const struct server_text *row = server_text_find(texts[i].protocol, texts[i].reply);

        if (row == NULL)
            fail_msg("nothing is known of '%s'", texts[i].reply);
        if (row->who != texts[i].who || strstr(row->meaning, texts[i].meaning) == NULL)
            fail_msg("'%s' is taken for '%s' (%s)", texts[i].reply, row->meaning, server_text_who(row->who));
    }
}

static void every_row_is_some_texts_row(void **state)
{
    const struct server_text *row;

    (void)state;
    for (unsigned i = 0; (row = server_text_at(i)) != NULL; i++) {
        bool found = false;

        for (size_t k = 0; k < TEXT_COUNT; k++)
            found |= server_text_find(texts[k].protocol, texts[k].reply) == row;
        if (!found)
            fail_msg("no text finds '%s'", row->pattern);
    }
}

static void is_sentence(const char *text)
{
    assert_non_null(text);
    assert_true(text[0] != '\0' && text[0] != ' ' && text[strlen(text) - 1] != '.' && text[strlen(text) - 1] != ' ');
    assert_null(strstr(text, "  "));
}

static void every_row_says_what_to_do(void **state)
{
    const struct server_text *row;

    (void)state;
    for (unsigned i = 0; (row = server_text_at(i)) != NULL; i++) {
        char *lower = bearer_text_lower(row->pattern);
        char *remedy = server_text_remedy(row, "info@contoso.com", "bob@contoso.com");

        assert_string_equal(row->pattern, lower); /* else it fits nothing */
        is_sentence(row->meaning);
        is_sentence(row->remedy);
        is_sentence(remedy);
        assert_null(strpbrk(remedy, "{}"));
        assert_non_null(server_text_who(row->who));
        free(remedy);
        free(lower);
    }
    assert_null(server_text_at((unsigned)-1));
}

static void a_protocol_knows_only_its_own_texts(void **state)
{
    (void)state;
    assert_null(server_text_find("imap", "535 5.7.3 Authentication unsuccessful"));
    assert_null(server_text_find("smtp", "NO AUTHENTICATE failed."));
    assert_null(server_text_find("smtp", "{\"status\":\"401\"}"));
}

static void what_nobody_knows_is_not_guessed(void **state)
{
    (void)state;
    assert_null(server_text_find("imap", "NO because"));
    assert_null(server_text_find("pop3", "-ERR [IN-USE] locked"));
    assert_null(server_text_find("smtp", "550 5.1.1 no such user"));
    assert_null(server_text_find("challenge", "{\"error\":\"what\"}"));
    assert_null(server_text_find("smtp", ""));
}

static const struct {
    const char *protocol, *reply;
    const char *mailbox, *grantee;
    const char *remedy;
} remedies[] = {
    { "smtp", "554 5.2.252 SendAsDenied", "info@contoso.com", "bob@contoso.com",
      "Add-RecipientPermission -Identity info@contoso.com -Trustee bob@contoso.com -AccessRights SendAs" },
    { "smtp", "554 5.2.252 SendAsDenied", "Bob@contoso.com", "bob@contoso.com",
      "let the sender's address be the one that logs in: Bob@contoso.com" },
    { "smtp", "535 5.7.139 disabled for the Mailbox", "o'hara@contoso.com", "x",
      "Set-CASMailbox -Identity 'o''hara@contoso.com' -SmtpClientAuthenticationDisabled $false" },
    { "smtp", "535 5.7.139 disabled for the Mailbox", "-x;Remove-Item", "x",
      "Set-CASMailbox -Identity '-x;Remove-Item' -SmtpClientAuthenticationDisabled $false" },
    { "smtp", "535 5.7.139 disabled for the Mailbox", "$(evil)@contoso.com", "x",
      "Set-CASMailbox -Identity '$(evil)@contoso.com' -SmtpClientAuthenticationDisabled $false" },
    { "smtp", "535 5.7.139 disabled for the Mailbox", "{grantee}", "x",
      "Set-CASMailbox -Identity '{grantee}' -SmtpClientAuthenticationDisabled $false" },
    { "smtp", "550 5.7.240 no", "hve@contoso.com", "5e5e5e5e-1111-4111-8111-000000000001",
      "Add-HVEAppAccess -Identity hve@contoso.com -AppIds 5e5e5e5e-1111-4111-8111-000000000001" },
};

static void names_are_filled_in_and_quoted_for_powershell(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof remedies / sizeof remedies[0]; i++) {
        char *remedy = server_text_remedy(server_text_find(remedies[i].protocol, remedies[i].reply), remedies[i].mailbox,
                                          remedies[i].grantee);

        assert_string_equal(remedy, remedies[i].remedy);
        free(remedy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_known_text_finds_its_row),   cmocka_unit_test(every_row_is_some_texts_row),
        cmocka_unit_test(every_row_says_what_to_do),        cmocka_unit_test(a_protocol_knows_only_its_own_texts),
        cmocka_unit_test(what_nobody_knows_is_not_guessed), cmocka_unit_test(names_are_filled_in_and_quoted_for_powershell),
    };

    return run_group("server_texts", tests);
}
