/* jwt.h - what a JSON Web Token says (RFC 7519).  Its signature is not looked at: whoever needs that does so himself. */
#ifndef BEARER_JWT_H
#define BEARER_JWT_H

#include <jansson.h>

/* Gives the claims of a JWT, an object, or NULL if the text is none.  json_decref() them. */
json_t *jwt_claims(const char *text);

#endif
