/* catalogue.c - see catalogue.h.  Meanings after Microsoft's reference of error codes; the remedies are ours. */
#include "provider/catalogue.h"

#include <stddef.h>
#include <string.h>

#define GRANT false /* what "error" says is so */
#define PASSES true

static const struct catalogue_row rows[] = {
    /* the client itself */
    { 7000215, GRANT, "use the client secret's Value, not its ID, from Certificates & secrets of this very application" },
    { 7000222, GRANT, "the client secret has expired: make a new one, or better a certificate" },
    { 70002, GRANT, "the client secret is not this application's: copy its Value anew" },
    { 7000216, GRANT, "configure a credential such as oauth2_client_secret_file" },
    { 7000218, GRANT, "for a public client register the platform 'Mobile and desktop applications' and allow public client "
                      "flows; for a confidential one set oauth2_client_secret_file" },
    { 700025, GRANT, "this is a public client: take oauth2_client_secret out of sasl.conf" },
    { 700027, GRANT, "upload this very certificate to the registration; key and certificate must match" },
    { 700024, GRANT, "check this machine's clock (NTP)" },
    { 50012, GRANT, "upload this very certificate to the registration" },
    { 700016, GRANT, "check oauth2_client_id, oauth2_tenant and oauth2_cloud; an administrator may have to consent first" },
    { 700011, GRANT, "check oauth2_client_id, oauth2_tenant and oauth2_cloud" },
    { 70001, GRANT, "switch the application on: Enterprise applications, Properties, enabled for sign-in" },
    { 7000112, GRANT, "switch the application on: Enterprise applications, Properties, enabled for sign-in" },
    { 7000229, GRANT, "have an administrator grant consent, which creates the enterprise application in this tenant" },
    { 1000031, GRANT, "ask the tenant's administrator to allow the application" },
    { 65002, GRANT, "register an application of your own: this id is Microsoft's" },
    /* tenant, cloud, endpoint */
    { 90002, GRANT, "check oauth2_tenant for a typing mistake, and oauth2_cloud" },
    { 50059, GRANT, "set oauth2_tenant to the tenant's id" },
    { 90019, GRANT, "set oauth2_tenant to the tenant's id" },
    { 50128, GRANT, "set oauth2_tenant to the tenant's id" },
    { 50194, GRANT, "set oauth2_tenant to the tenant's id: the application belongs to one tenant" },
    { 9001023, GRANT, "set oauth2_tenant to the tenant's id" },
    { 9002332, GRANT, "set oauth2_tenant to the tenant's id: the application does not take personal accounts" },
    { 90038, GRANT, "set oauth2_cloud to the cloud this tenant lives in" },
    { 900439, GRANT, "set oauth2_cloud to the cloud this tenant lives in" },
    { 900440, GRANT, "set oauth2_cloud to the cloud this tenant lives in" },
    { 500208, GRANT, "sign in with the right kind of account, or set oauth2_tenant to fit it" },
    { 700005, GRANT, "sign in again: the code belongs to another tenant" },
    /* the request */
    { 900144, GRANT, "check sasl.conf for an option that is empty or missing" },
    { 90014, GRANT, "check sasl.conf for an option that is empty or missing" },
    { 9002313, GRANT, "check secret and scope in sasl.conf for stray quotes or blanks" },
    { 901002, GRANT, "set oauth2_token_endpoint to the v2.0 endpoint" },
    { 70003, GRANT, "the application may not use this grant: check its registration" },
    { 70011, GRANT, "check oauth2_scope: full names of one resource only" },
    { 28002, GRANT, "check oauth2_scope: full names of one resource only" },
    { 28003, GRANT, "check oauth2_scope: it is empty" },
    { 700022, GRANT, "check oauth2_scope: one resource only" },
    { 1002012, GRANT, "set oauth2_scope to https://outlook.office365.com/.default" },
    { 500011, GRANT, "check oauth2_scope and oauth2_cloud: the tenant knows no such resource, or has no Exchange Online" },
    { 500014, GRANT, "the tenant's Exchange Online is switched off: check its subscription" },
    { 650052, GRANT, "the organisation has no licence for Exchange Online" },
    { 650056, GRANT, "add the API permissions to the registration and consent again" },
    { 650057, GRANT, "add the API permissions to the registration and consent again" },
    /* consent and access */
    { 65001, GRANT, "sign in anew and consent, or have an administrator grant consent to the application" },
    { 65004, GRANT, "sign in again and accept the permissions" },
    { 90094, GRANT, "have an administrator grant consent to the application" },
    { 90095, GRANT, "have an administrator grant consent to the application" },
    { 50105, GRANT, "assign the user to the application: Enterprise applications, Users and groups" },
    { 50020, GRANT, "sign in with an account of this tenant, or set oauth2_tenant to the account's" },
    { 50034, GRANT, "check the user's address and oauth2_tenant" },
    /* the user's sign-in */
    { 70008, GRANT, "sign in again; to keep it alive renew it regularly" },
    { 700082, GRANT, "sign in again; to keep it alive renew it regularly" },
    { 700084, GRANT, "register the platform 'Mobile and desktop applications', then sign in again" },
    { 70043, GRANT, "sign in again: a Conditional Access policy limits how long a sign-in lasts" },
    { 50173, GRANT, "sign in again: the password changed or an administrator revoked the sign-in" },
    { 50132, GRANT, "sign in again: the sign-in was revoked" },
    { 50133, GRANT, "sign in again: the password changed" },
    { 50089, GRANT, "sign in again" },
    { 70000, GRANT, "sign in again: this sign-in is of another application, or no longer good" },
    { 54005, GRANT, "start the sign-in anew: the code was used already" },
    { 50076, GRANT, "sign in again in a browser: a second factor is wanted" },
    { 50079, GRANT, "sign in again in a browser: a second factor must be registered" },
    { 50078, GRANT, "sign in again in a browser: the second factor has lapsed" },
    { 50055, GRANT, "change the password, which has expired, then sign in again" },
    { 50057, GRANT, "the account is disabled; for a shared mailbox sign in as somebody who may open it (oauth2_identity)" },
    { 50053, GRANT, "the account is locked or this address is blocked: see the tenant's sign-in log" },
    /* Conditional Access */
    { 53003, GRANT, "a Conditional Access policy forbids it: the tenant's sign-in log names the policy" },
    { 53000, GRANT, "a Conditional Access policy wants a compliant device: exempt the application or use app_only" },
    { 53001, GRANT, "a Conditional Access policy wants a joined device: exempt the application or use app_only" },
    { 530032, GRANT, "a security policy of the tenant forbids it: ask its administrator" },
    { 530036, GRANT, "the policy does not accept sign-ins by device code: sign in by browser" },
    { 7000226, GRANT, "add a federated credential to the application" },
    /* it passes */
    { 50033, PASSES, "try again later" },
    { 50087, PASSES, "try again later" },
    { 50088, PASSES, "try again later" },
    { 50166, PASSES, "try again later" },
    { 50196, PASSES, "too many requests came for this user: it is tried again after a pause" },
    { 70012, PASSES, "try again later" },
    { 90006, PASSES, "try again later" },
    { 90012, PASSES, "try again later" },
    { 90024, PASSES, "try again later" },
    { 90033, PASSES, "try again later" },
    { 90055, PASSES, "too many requests came: it is tried again after a pause" },
    { 90090, PASSES, "try again later" },
    { 90091, PASSES, "try again later" },
    { 80002, PASSES, "try again later" },
    { 80005, PASSES, "try again later" },
    { 50000, PASSES, "try again later" },
};

/* RFC 6749 section 5.2 and Microsoft's additions.  What is not listed is BEARER_LATER. */
static const struct {
    const char *error;
    enum bearer_status status;
} errors[] = {
    { "invalid_grant", BEARER_SIGN_IN },
    { "interaction_required", BEARER_SIGN_IN },
    { "consent_required", BEARER_SIGN_IN },
    { "login_required", BEARER_SIGN_IN },
    { "authorization_declined", BEARER_SIGN_IN },
    { "expired_token", BEARER_SIGN_IN },
    { "bad_verification_code", BEARER_SIGN_IN },
    { "invalid_client", BEARER_REFUSED },
    { "unauthorized_client", BEARER_REFUSED },
    { "invalid_request", BEARER_REFUSED },
    { "unsupported_grant_type", BEARER_REFUSED },
    { "unsupported_response_type", BEARER_REFUSED },
    { "invalid_scope", BEARER_REFUSED },
    { "invalid_resource", BEARER_REFUSED },
    { "access_denied", BEARER_REFUSED },
};

const struct catalogue_row *catalogue_at(unsigned i)
{
    return i < sizeof rows / sizeof rows[0] ? &rows[i] : NULL;
}

const struct catalogue_row *catalogue_find(long code)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].code == code)
            return &rows[i];
    return NULL;
}

enum bearer_status catalogue_status(const char *error, long code, bool person)
{
    const struct catalogue_row *row = catalogue_find(code);

    if (row != NULL && row->passes)
        return BEARER_LATER;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (strcmp(errors[i].error, error) == 0)
            return errors[i].status == BEARER_SIGN_IN && !person ? BEARER_REFUSED : errors[i].status;
    return BEARER_LATER;
}

const char *catalogue_remedy(enum bearer_status status)
{
    switch (status) {
    case BEARER_SIGN_IN:
        return "sign in again";
    case BEARER_REFUSED:
        return "check the application's registration and sasl.conf";
    default:
        return "try again later";
    }
}
