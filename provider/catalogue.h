/* catalogue.h - what an identity provider's errors mean and what to do about them.
 *
 * Programs decide by the "error" member; Microsoft's numbers change and only choose the advice (MICROSOFT.md 4.1), but for
 * those that mark an invalid_grant as passing. */
#ifndef BEARER_CATALOGUE_H
#define BEARER_CATALOGUE_H

#include "credential/provider.h"

#include <stdbool.h>

struct catalogue_row {
    long code;          /* the number after AADSTS */
    bool passes;        /* it is no reason to give up a grant, whatever "error" says */
    const char *remedy; /* for people, as an instruction */
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
