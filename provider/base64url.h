/* base64url.h - base64 as JSON Web Tokens have it: RFC 4648 section 5 without padding (RFC 7515 section 2). */
#ifndef BEARER_BASE64URL_H
#define BEARER_BASE64URL_H

#include <stddef.h>

/* Gives the text for length bytes, or NULL without memory.  Free it. */
char *base64url_encode(const void *bytes, size_t length);

/* Gives the bytes of length characters, up to the first that is none of the 64 (such as padding); NULL without memory.  Free
 * them. */
unsigned char *base64url_decode(const char *text, size_t length, size_t *length_out);

#endif
