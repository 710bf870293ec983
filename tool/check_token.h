/* check_token.h - what the areas of a check need of the user's token. */
#ifndef TOOL_CHECK_TOKEN_H
#define TOOL_CHECK_TOKEN_H

#include "tool/check.h"

/* Gives what the user's token says of itself, an object; NULL if there is none, or it is opaque.  json_decref() it. */
json_t *check_token_claims(struct check *check);

#endif
