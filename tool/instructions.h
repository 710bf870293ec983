/* instructions.h - what people have to do elsewhere before a login can work: in Entra, in Exchange Online, in Postfix.
 *
 * The same story as doc/microsoft365.md, with names and numbers filled in; tests/check-setup.sh keeps the two together.
 * Facts: Microsoft's pages how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth, smtp-app-rbac-onboarding,
 * grant-admin-consent. */
#ifndef TOOL_INSTRUCTIONS_H
#define TOOL_INSTRUCTIONS_H

#include "tool/make_certificate.h"

#include <stdbool.h>
#include <stdio.h>

/* Whose story it is.  All zero is a good start; what is NULL is not known yet: a word in capitals, such as CLIENT_ID,
 * stands for it. */
struct instructions {
    bool app_only;     /* an application on its own; else people sign in */
    const char *cloud; /* as in oauth2_cloud; NULL = public */
    const char *tenant;
    const char *client_id;
    const char *object_id;               /* the application's, under Enterprise applications */
    const char *certificate;             /* the file to be uploaded; NULL = there is none */
    const struct made_certificate *made; /* how to recognise it there; NULL = somebody made it who knows */
    bool has_credential;                 /* no secret need be made */
    bool told;          /* the steps in Entra were, to whoever reads this: only what came up since is left */
    bool brief;         /* PowerShell without other ways to the same end */
    const char *person; /* who opens shared mailboxes, where people sign in */
    const char *const *mailboxes;
    unsigned mailbox_count;
};

/* Gives the steps in Entra that are left: registration, credential, permissions, consent, the Object ID.  Numbered from 1,
 * in lines for output_text(); empty where there are none, NULL without memory.  Free it. */
char *instructions_registration(const struct instructions *about);

/* Gives the link with which an administrator consents for the whole tenant; NULL without memory.  Free it. */
char *instructions_consent_url(const struct instructions *about);

/* The steps in Exchange Online, as a script for PowerShell; every name in it is quoted. */
void instructions_powershell(FILE *out, const struct instructions *about);

/* What Postfix needs to relay through Exchange Online: sasl_passwd and main.cf. */
void instructions_postfix(FILE *out, const struct instructions *about);

/* The command that makes a table of sasl_passwd, of the type that main.cf names there. */
extern const char instructions_postmap[];

#endif
