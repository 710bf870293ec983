/* service.h - mail services we know: where their tokens come from and where they may go.  One table, one file.
 *
 * Facts: Microsoft's pages authentication-national-cloud, how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth. */
#ifndef BEARER_SERVICE_H
#define BEARER_SERVICE_H

#include <stdint.h>

struct bearer_service {
    const char *name;               /* as in oauth2_service */
    const char *cloud;              /* as in oauth2_cloud; NULL = there is but one */
    const char *token_endpoint;     /* BEARER_TENANT in it stands for the tenant */
    const char *authorization_endpoint; /* the same */
    const char *device_endpoint;    /* the same; NULL = not offered */
    const char *tenant;             /* where a person signs in if oauth2_tenant does not say; NULL = it has no tenants */
    const char *delegated_resource; /* prefix of scopes a user consents to; NULL = scopes are written in full */
    const char *delegated_scopes;   /* their names, blank-separated */
    const char *app_only_resource;  /* the same for an application on its own; NULL = not offered */
    const char *servers;            /* mail servers, as in oauth2_servers */
    const char *long_life_servers;  /* those that refuse a token in its last minutes; NULL = none */
    int64_t long_life;              /* seconds a token must still live there */
};

#define BEARER_TENANT "{tenant}"

/* Lends the preset, or NULL where service is `custom` or there is none such. */
const struct bearer_service *bearer_service_find(const char *service, const char *cloud);

/* Lends preset number i, or NULL after the last. */
const struct bearer_service *bearer_service_at(unsigned i);

/* Gives an endpoint with its tenant filled in, or NULL without memory.  tenant may be NULL where the service has none.  Free it. */
char *bearer_service_endpoint(const char *endpoint, const char *tenant);

/* Lends the cloud whose tokens come from this authority, a URL with or without a path, or NULL. */
const char *bearer_service_cloud(const char *authority);

/* Gives scopes with the resource prefix before each name that has none, or NULL without memory.  OpenID's own scopes
 * (openid, profile, email, offline_access) have no resource.  resource may be NULL: a plain copy.  Free it. */
char *bearer_service_scope(const char *resource, const char *names);

#endif
