/* catalogue.h - what an identity provider's errors mean, who acts, and what to do about them.
 *
 * Programs decide by the "error" member; Microsoft's numbers change and only choose the advice, but for those that mark an
 * invalid_grant as passing.  Logs and commands take their words from this one table. */
#ifndef BEARER_CATALOGUE_H
#define BEARER_CATALOGUE_H

#include "credential/provider.h"

#include <stdbool.h>

/* Who acts, as Microsoft means it.  It is advice, too: a status comes from catalogue_status. */
enum catalogue_who {
    CATALOGUE_SETUP,  /* whoever set this up: sasl.conf, and the registration that it names */
    CATALOGUE_USER,   /* the user: sign in again */
    CATALOGUE_TENANT, /* the tenant's administrator */
    CATALOGUE_NOBODY  /* nobody: it passes, and is no reason to give up a grant, whatever "error" says */
};

struct catalogue_row {
    long code; /* the number after AADSTS */
    enum catalogue_who who;
    const char *meaning; /* a few words, such as "client secret wrong" */
    const char *remedy;  /* for people, as an instruction */
};

/* Lends the row of a number, or NULL. */
const struct catalogue_row *catalogue_find(long code);

/* Lends row number i, or NULL after the last. */
const struct catalogue_row *catalogue_at(unsigned i);

/* The status of an "error" with that number (0 = none).  person: somebody signed in, and can do so again. */
enum bearer_status catalogue_status(const char *error, long code, bool person);

/* Lends what to do where the number is not known. */
const char *catalogue_remedy(enum bearer_status status);

#endif
