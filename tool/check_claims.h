/* check_claims.h - what a token says of itself, as JSON. */
#ifndef TOOL_CHECK_CLAIMS_H
#define TOOL_CHECK_CLAIMS_H

#include "tool/check.h"

/* Says what the claims of an account's token come to. */
void check_claims(struct check *check, const struct bearer_account *account, const json_t *claims);

/* Lends a claim's text; "" if it has none. */
const char *check_claim(const json_t *claims, const char *name);

#endif
