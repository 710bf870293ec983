/* presented.h - an access token as other programs present it: alone on a line, or in JSON. */
#ifndef BEARER_PRESENTED_H
#define BEARER_PRESENTED_H

#include "credential/provider.h"

enum presented_by {
    PRESENTED_BY_FILE,    /* oauth2_token_file: nobody knows for how long it has been there */
    PRESENTED_BY_COMMAND, /* oauth2_token_command: printed just now */
};

/* Reads the option oauth2_token and grants the access token in it, or fails; a provider's whole fetch.
 *
 * Known forms: the token alone, or as a JSON string; a JSON object with access_token, accessToken or token, which may stand
 * in a member `credential`.  The token's end is told by the first of these that can be read: expires_on, expires_at, expiry,
 * token_expiry, expiresOn; expires_in of a command; the token itself if it is a JWT.  Else it is asked for again soon.
 * Everything else is ignored, a refresh token too.
 *
 * BEARER_LATER: nothing is there, or half of something, or the token has expired.  BEARER_CONFIG: something else is there,
 * of which nothing is shown. */
enum bearer_status presented_fetch(const struct bearer_request *request, enum presented_by by);

#endif
