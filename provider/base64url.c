/* base64url.c - see base64url.h */
#include "provider/base64url.h"

#include <stdlib.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

char *base64url_encode(const void *bytes, size_t length)
{
    const unsigned char *from = bytes;
    char *text = malloc((length * 4 + 2) / 3 + 1), *to = text;
    unsigned bits = 0, count = 0;

    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < length; i++) {
        bits = bits << 8 | from[i];
        for (count += 8; count >= 6; count -= 6)
            *to++ = digits[bits >> (count - 6) & 63];
    }
    if (count > 0)
        *to++ = digits[bits << (6 - count) & 63];
    *to = '\0';
    return text;
}

unsigned char *base64url_decode(const char *text, size_t length, size_t *length_out)
{
    unsigned char *bytes = malloc(length + 1);
    unsigned bits = 0, count = 0;

    *length_out = 0;
    for (size_t i = 0; bytes != NULL && i < length; i++) {
        const char *found = text[i] != '\0' ? strchr(digits, text[i]) : NULL;

        if (found == NULL)
            break;
        bits = bits << 6 | (unsigned)(found - digits);
        count += 6;
        if (count >= 8) {
            count -= 8;
            bytes[(*length_out)++] = (unsigned char)(bits >> count);
        }
    }
    return bytes;
}
