/* service.h - mail services we know: where their tokens come from and where they may go.  One table, one file.
 *
 * Facts: MICROSOFT.md 1.3 (clouds and hosts), 2.1 and 2.2 (scopes). */
#ifndef BEARER_SERVICE_H
#define BEARER_SERVICE_H

struct bearer_service {
    const char *name;               /* as in oauth2_service */
    const char *cloud;              /* as in oauth2_cloud; NULL = there is but one */
    const char *authority;          /* host that issues tokens */
    const char *delegated_resource; /* prefix of scopes a user consents to */
    const char *delegated_scopes;   /* their names, blank-separated */
    const char *app_only_resource;  /* the same for an application on its own; NULL = not offered */
    const char *servers;            /* mail servers, as in oauth2_servers */
};

/* Lends the preset, or NULL where service is `custom` or there is none such. */
const struct bearer_service *bearer_service_find(const char *service, const char *cloud);

/* Lends preset number i, or NULL after the last. */
const struct bearer_service *bearer_service_at(unsigned i);

/* Gives endpoint NAME ("token", "devicecode") of a preset for a tenant, or NULL without memory.  Free it. */
char *bearer_service_endpoint(const struct bearer_service *service, const char *tenant, const char *name);

/* Gives scopes with the resource prefix before each name that has none, or NULL without memory.  OpenID's own scopes
 * (openid, profile, email, offline_access) have no resource.  resource may be NULL: a plain copy.  Free it. */
char *bearer_service_scope(const char *resource, const char *names);

#endif
