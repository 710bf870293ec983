/* jwt.c - see jwt.h */
#include "provider/jwt.h"

#include "credential/secret.h"
#include "provider/base64url.h"

#include <stdlib.h>
#include <string.h>

/* The part between the dots of header.payload.signature. */
static const char *payload(const char *text, size_t *length_out)
{
    const char *first = strchr(text, '.'), *second = first != NULL ? strchr(first + 1, '.') : NULL;

    if (second == NULL || strchr(second + 1, '.') != NULL)
        return NULL;
    *length_out = (size_t)(second - first - 1);
    return first + 1;
}

json_t *jwt_claims(const char *text)
{
    size_t length = 0, used = 0;
    const char *encoded = payload(text, &length);
    unsigned char *bytes = encoded != NULL ? base64url_decode(encoded, length, &used) : NULL;
    json_t *claims = NULL;

    if (bytes != NULL)
        claims = json_loadb((const char *)bytes, used, 0, NULL);
    bearer_wipe(bytes, used);
    free(bytes);
    if (!json_is_object(claims)) {
        json_decref(claims);
        claims = NULL;
    }
    return claims;
}
