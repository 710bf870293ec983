/* identity_source.h - who on this machine gives tokens to its managed identity, and how to ask
 * (Microsoft's how-to-use-vm-token).
 *
 * Azure tells by environment variables.  They are read anew for every token and kept nowhere. */
#ifndef BEARER_IDENTITY_SOURCE_H
#define BEARER_IDENTITY_SOURCE_H

#include "credential/secret.h"
#include "provider/http.h"

#include <stdbool.h>

/* What is the same wherever a service of that kind runs. */
struct identity_service {
    const char *name;    /* for texts */
    const char *version; /* its api-version */
    const char *header;  /* that carries the environment's secret; NULL = no secret, but Metadata: true */
    /* The parameters that name an identity which a user has assigned; NULL = it cannot be named so. */
    const char *client_id, *object_id, *resource_id;
    bool challenges;     /* it wants to see that we may read a file of its own: arc.h */
    const char *silent;  /* what to think of if nobody answers, */
    const char *refused; /* if we are not let in */
};

struct identity_source {
    const struct identity_service *service;
    char name[160]; /* the service, and in parentheses where it is */
    char *url;
    struct bearer_secret header; /* the line that it wants to see */
    const char *secret;          /* lends what of that line is a secret; NULL = nothing */
};

#define IDENTITY_SOURCE_INIT                                                                                                \
    {                                                                                                                       \
        NULL, "", NULL, BEARER_SECRET_INIT, NULL                                                                            \
    }

/* Remembers what can be seen of this machine's services and will be out of sight in a chroot jail. */
void identity_source_prepare(void);

/* Finds the service.  BEARER_CONFIG: the environment names one that is not supported, or that may not be talked to. */
enum bearer_status identity_source_find(struct identity_source *source_out, struct bearer_error *err);

void identity_source_clear(struct identity_source *source);

/* Gives the query's field for a value of oauth2_managed_identity: "system" or NULL (no field), a client id, object:ID,
 * resource:ID.  The field's value is lent from it.  BEARER_CONFIG: the service knows no identities of that kind. */
enum bearer_status identity_source_choose(const struct identity_source *source, const char *wish,
                                          struct http_field *field_out, struct bearer_error *err);

#endif
