/* jwt.c - see jwt.h */
#include "provider/jwt.h"

#include "credential/secret.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static int digit_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *found = c != '\0' ? strchr(digits, c) : NULL;

    return found != NULL ? (int)(found - digits) : -1;
}

/* Decodes base64url without padding (RFC 7515 section 2) into at most length bytes.  False: it is none. */
static bool decode(const char *text, size_t length, char *bytes, size_t *used_out)
{
    unsigned bits = 0, count = 0;

    *used_out = 0;
    for (size_t i = 0; i < length; i++) {
        int value = digit_value(text[i]);

        if (value < 0)
            return false;
        bits = bits << 6 | (unsigned)value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            bytes[(*used_out)++] = (char)(unsigned char)(bits >> count);
        }
    }
    return true;
}

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
    size_t length = 0, used;
    const char *encoded = payload(text, &length);
    char *bytes = encoded != NULL ? malloc(length + 1) : NULL;
    json_t *claims = NULL;

    if (bytes == NULL)
        return NULL;
    if (decode(encoded, length, bytes, &used)) {
        claims = json_loadb(bytes, used, 0, NULL);
        bearer_wipe(bytes, used);
    }
    free(bytes);
    if (!json_is_object(claims)) {
        json_decref(claims);
        claims = NULL;
    }
    return claims;
}
