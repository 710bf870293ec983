/* server_texts.c - see server_texts.h */
#include "tool/server_texts.h"

#include "credential/text.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Who acts, short enough for a table. */
#define H SERVER_TEXT_HERE
#define E SERVER_TEXT_EXCHANGE
#define A SERVER_TEXT_TENANT
#define U SERVER_TEXT_USER
#define T SERVER_TEXT_NOBODY

#define FULL_ACCESS "Add-MailboxPermission -Identity {mailbox} -User {grantee} -AccessRights FullAccess"
#define SEND_AS     "Add-RecipientPermission -Identity {mailbox} -Trustee {grantee} -AccessRights SendAs"
#define REGISTERED                                                                                                          \
    "where it is an application: Get-ServicePrincipal must list it with just the object id that is in the token, else "     \
    "New-ServicePrincipal with that one: Entra shows it under Enterprise applications, not under App registrations"
#define BLAME_TOKEN   "first look at what the token says of itself (above)"
#define OTHER_ADDRESS "try the other address if the primary address and the user principal name differ"
#define NO_PASSWORD   "have the program use XOAUTH2 and nothing else; in Postfix: smtp_sasl_mechanism_filter = xoauth2"
#define SLOWLY        "wait, then try again; not in a tight loop"
#define SMTP_MAILBOX  "Set-CASMailbox -Identity {mailbox} -SmtpClientAuthenticationDisabled $false"

/* The first that fits counts, so what is special stands before what is general. */
static const struct server_text rows[] = {
    /* ---- IMAP */
    { "imap", "bad user is authenticated but not connected*", E,
      "the token is good, but the mailbox was not opened: IMAP is off for it, who holds the token has no permission, "
      "the service principal has the wrong object id, or there is no mailbox or licence",
      "Set-CASMailbox -Identity {mailbox} -ImapEnabled $true; " FULL_ACCESS "; " REGISTERED,
      "Set-CASMailbox -Identity {mailbox} -ImapEnabled $true; does it have a licence for Exchange Online?" },
    { "imap", "no authenticate failed*", E,
      "Exchange does not say why: the token's audience or permission is wrong, or it is dead; the service "
      "principal is not registered, or with the wrong object id; no permission on the mailbox, or no such mailbox; or "
      "IMAP is off for it",
      BLAME_TOKEN "; then Set-CASMailbox -Identity {mailbox} -ImapEnabled $true; " FULL_ACCESS "; " REGISTERED,
      BLAME_TOKEN "; then Set-CASMailbox -Identity {mailbox} -ImapEnabled $true; " OTHER_ADDRESS },
    { "imap", "no login failed*", H, "Exchange was given a password", NO_PASSWORD, NULL },
    { "imap", "no sasl authentication failed*", U, "Gmail does not take the token for this mailbox",
      "sign in anew with just this address: sasl-bearer login {mailbox}", NULL },
    { "imap", "no *invalid credentials*", U, "Gmail does not take the token for this mailbox",
      "sign in anew with just this address: sasl-bearer login {mailbox}", NULL },
    { "imap", "no *authentication*failed*", H, "the server does not take the token for this mailbox",
      "look into the server's own log for why", NULL },
    { "imap", "bad command*", H, "the server does not know this form of login",
      "does a proxy stand in between that changes mail?", NULL },
    { "imap", "bye *", T, "the server ends the conversation at once", SLOWLY, NULL },

    /* ---- POP3 */
    { "pop3", "-err authentication failure: unknown user name or bad password*", E,
      "Exchange does not say why: the token's audience or permission is wrong, or it is dead; the service "
      "principal is not registered, or with the wrong object id; no permission on the mailbox, or no such mailbox; or "
      "POP is off for it",
      BLAME_TOKEN "; then Set-CASMailbox -Identity {mailbox} -PopEnabled $true; " FULL_ACCESS "; " REGISTERED,
      BLAME_TOKEN "; then Set-CASMailbox -Identity {mailbox} -PopEnabled $true; " OTHER_ADDRESS },
    { "pop3", "-err logon failure: unknown user name or bad password*", H, "Exchange was given a password", NO_PASSWORD,
      NULL },
    { "pop3", "-err protocol error. connection is closed*", H,
      "Exchange wants AUTH and the message in two lines, and they came in one, or something else was malformed",
      "does a proxy stand in between that changes mail? Else report it as a mistake of this program", NULL },
    { "pop3", "-err *auth*", H, "the server does not take the token for this mailbox",
      "look into the server's own log for why", NULL },

    /* ---- SMTP: Exchange's switches and policies */
    { "smtp", "535 5.7.139 *disabled for the tenant*", E,
      "SMTP AUTH is switched off for the whole organisation, which applies to tokens too",
      SMTP_MAILBOX
      " for this mailbox alone (which wins), or Set-TransportConfig -SmtpClientAuthenticationDisabled $false for all",
      NULL },
    { "smtp", "535 5.7.139 *disabled for the mailbox*", E, "SMTP AUTH is switched off for this mailbox", SMTP_MAILBOX,
      NULL },
    { "smtp", "535 5.7.139 *basic authentication is disabled*", H, "Exchange was given a password", NO_PASSWORD, NULL },
    { "smtp", "535 5.7.139 *security defaults*", A, "the tenant's security defaults lock this user out",
      "replace security defaults by Conditional Access policies that let this application through", NULL },
    { "smtp", "535 5.7.139 *did not meet the criteria*", A,
      "a policy stands in the way (Conditional Access, authentication policy), or a password was sent",
      "look up the user's latest failure in the sign-in log of Entra: it names the policy", NULL },
    { "smtp", "535 5.7.139 *credentials were incorrect*", H, "Exchange was given a password, and a wrong one", NO_PASSWORD,
      NULL },
    { "smtp", "535 5.7.139 *", A, "a policy of the organisation stands in the way",
      "look up the user's latest failure in the sign-in log of Entra: it names the policy", NULL },
    { "smtp", "535 5.7.3 *", E,
      "Exchange does not say why: the token's audience is wrong, it lacks SMTP.Send or SMTP.SendAsApp, or it is dead; "
      "the service principal or its permission on the mailbox is missing; the user is not the token's; or security defaults",
      BLAME_TOKEN "; then " FULL_ACCESS "; " SEND_AS "; " REGISTERED,
      BLAME_TOKEN "; then " SMTP_MAILBOX "; " OTHER_ADDRESS },

    /* ---- SMTP: High Volume Email */
    { "smtp", "501 5.5.127 *", H, "High Volume Email takes no token in its last ten minutes",
      "let oauth2_min_lifetime be 660 or more, or take it out: for *.mx.microsoft that is the default", NULL },
    { "smtp", "501 5.5.12? *", H, "High Volume Email finds the login's message malformed",
      "check the user name; " BLAME_TOKEN, NULL },
    { "smtp", "535 5.7.142 *", H, "High Volume Email: the token ends too soon (so reported)",
      "let oauth2_min_lifetime be 660 or more, or take it out: for *.mx.microsoft that is the default", NULL },
    { "smtp", "535 5.7.143 *", H, "High Volume Email: the token has expired (so reported)",
      "check this machine's clock; then sasl-bearer renew {mailbox}", NULL },
    { "smtp", "535 5.7.144 *", A, "High Volume Email: the token has the wrong API permission (so reported)",
      "grant Mail.Send of Office 365 Exchange Online to the application, with an administrator's consent", NULL },
    { "smtp", "550 5.7.240 *", E, "High Volume Email: the application is not allowed for this account (so reported)",
      "Add-HVEAppAccess -Identity {mailbox} -AppIds {grantee}", NULL },
    { "smtp", "550 5.5.105 *", H, "High Volume Email sends within the organisation only (so reported)",
      "send to the outside through smtp.office365.com", NULL },

    /* ---- SMTP: after the login */
    { "smtp", "530 5.7.57 *", H, "the server does not see us as logged in", "have the program log in before it sends",
      NULL },
    { "smtp", "550 5.7.30 *", H, "Exchange was given a password, and takes none any more", NO_PASSWORD, NULL },
    { "smtp", "55? 5.7.60 *", E, "the sender is not the mailbox that logged in", SEND_AS,
      "let the sender's address be the one that logs in: {mailbox}" },
    { "smtp", "55? 5.2.252 *", E, "the sender is not the mailbox that logged in, or who holds the token may not send as it",
      SEND_AS, "let the sender's address be the one that logs in: {mailbox}" },
    { "smtp", "55? *sendasdenied*", E,
      "the sender is not the mailbox that logged in, or who holds the token may not send as it", SEND_AS,
      "let the sender's address be the one that logs in: {mailbox}" },
    { "smtp", "550 5.2.25? *", T, "the account is blocked for a while after errors",
      "repair what fails, and stop trying until then", NULL },

    /* ---- SMTP: what passes */
    { "smtp", "432 4.3.2 *", T, "more than three connections of one mailbox at once",
      "in Postfix: smtp_destination_concurrency_limit = 3 or less", NULL },
    { "smtp", "432 4.7.12 *", U, "the server wants a password to be changed first (RFC 4954)",
      "look into the server's own help", NULL },
    { "smtp", "451 4.7.0 *", T, "the server could not reach the mailbox; an empty or garbled token looks the same",
      SLOWLY "; if it stays: " BLAME_TOKEN, NULL },
    { "smtp", "421 4.3.2 *", T, "the service is in maintenance", SLOWLY, NULL },
    { "smtp", "454 4.7.0 *", T, "a temporary failure of authentication (RFC 4954)", SLOWLY, NULL },
    { "smtp", "430 4.7.0 *", T, "a temporary failure that no page of Microsoft's explains", SLOWLY, NULL },
    { "smtp", "421 *", T, "the server ends the conversation", SLOWLY, NULL },

    /* ---- SMTP: others than Exchange */
    { "smtp", "534?5.7.9 *", U, "Gmail wants a sign-in by browser first",
      "sign in at Google with this address, then try again", NULL },
    { "smtp", "535?5.7.8 *badcredentials*", U, "Gmail does not take the token for this mailbox",
      "sign in anew with just this address: sasl-bearer login {mailbox}", NULL },
    { "smtp", "535?5.7.8 username and password not accepted*", U, "Gmail does not take the token for this mailbox",
      "sign in anew with just this address: sasl-bearer login {mailbox}", NULL },
    { "smtp", "535?5.7.1 *", U, "Gmail does not take the token for this mailbox",
      "sign in anew with just this address: sasl-bearer login {mailbox}", NULL },
    { "smtp", "535?5.7.8 *", H, "the server does not take the token for this mailbox",
      "look into the server's own log for why", NULL },
    { "smtp", "500 5.5.2 line too long*", H, "the server has no room for the token in one line",
      "report it as a mistake of this program", NULL },
    { "smtp", "500 5.5.6 *", H, "the token is longer than the server takes (RFC 4954)",
      "in Postfix as the server: smtpd_sasl_response_limit", NULL },
    { "smtp", "504 5.?.4 *", H, "the server does not know this mechanism", "is this the right server and port?", NULL },
    { "smtp", "530 *", H, "the server wants TLS or a login first", "is this the right server and port?", NULL },
    { "smtp", "538 *", H, "the server wants TLS or a login first", "is this the right server and port?", NULL },

    /* ---- before the refusal: Gmail, Dovecot and others (RFC 7628 section 3.2.2) */
    { "challenge", "*\"status\"*insufficient_scope*", A, "the token lacks a permission: another of its kind will not help",
      "check oauth2_scope, and what was consented to", NULL },
    { "challenge", "*\"status\"*403*", A, "the token lacks a permission: another of its kind will not help",
      "check oauth2_scope, and what was consented to", NULL },
    { "challenge", "*\"status\"*401*", H,
      "the server does not take this token: it is dead, from elsewhere, or of somebody else",
      "sasl-bearer renew {mailbox}; if that does not help, check who may open this mailbox", NULL },
    { "challenge", "*\"status\"*invalid_token*", H,
      "the server does not take this token: it is dead, from elsewhere, or of somebody else",
      "sasl-bearer renew {mailbox}; if that does not help, check who may open this mailbox", NULL },
    { "challenge", "*\"status\"*400*", H, "the server does not take this token for this mailbox",
      "check oauth2_scope, and who may open this mailbox", NULL },
    { "challenge", "*\"status\"*invalid_request*", H, "the server does not take this token for this mailbox",
      "check oauth2_scope, and who may open this mailbox", NULL },
};

const struct server_text *server_text_at(unsigned i)
{
    return i < sizeof rows / sizeof rows[0] ? &rows[i] : NULL;
}

const struct server_text *server_text_find(const char *protocol, const char *reply)
{
    char *lower = bearer_text_lower(reply);
    const struct server_text *row = NULL;

    for (unsigned i = 0; lower != NULL && (row = server_text_at(i)) != NULL; i++)
        if (bearer_text_has_word(row->protocols, protocol) && bearer_text_matches(row->pattern, lower))
            break;
    free(lower);
    return row;
}

const char *server_text_who(enum server_text_who who)
{
    static const char *const names[SERVER_TEXT_WHO_COUNT] = {
        [SERVER_TEXT_HERE] = "on this machine",
        [SERVER_TEXT_EXCHANGE] = "an administrator, in Exchange Online's PowerShell",
        [SERVER_TEXT_TENANT] = "an administrator, in Entra",
        [SERVER_TEXT_USER] = "whose mailbox it is",
        [SERVER_TEXT_NOBODY] = "nobody: it passes",
    };

    return names[who];
}

/* ------------------------------------------------------------------ names in commands */

/* PowerShell takes anything between single quotes, but for these themselves, which are doubled. */
static void put_name(FILE *out, const char *name)
{
    size_t length = strlen(name);

    if (length > 0 && strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.@_+-") == length &&
        *name != '-' && *name != '@') {
        fputs(name, out);
        return;
    }
    putc('\'', out);
    for (; *name != '\0'; name++)
        fputs(*name == '\'' ? "''" : (char[]){ *name, '\0' }, out);
    putc('\'', out);
}

char *server_text_remedy(const struct server_text *row, const char *mailbox, const char *grantee)
{
    const char *text = row->own != NULL && strcasecmp(mailbox, grantee) == 0 ? row->own : row->remedy;
    char *filled = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&filled, &size);

    if (out == NULL)
        return NULL;
    while (*text != '\0') {
        if (strncmp(text, "{mailbox}", 9) == 0 || strncmp(text, "{grantee}", 9) == 0) {
            put_name(out, text[1] == 'm' ? mailbox : grantee);
            text += 9;
        } else {
            putc(*text++, out);
        }
    }
    if (fclose(out) != 0) {
        free(filled);
        return NULL;
    }
    return filled;
}
