/* authorization_code.h - signing in by browser: the authorization code grant (RFC 6749 section 4.1) with PKCE (RFC 7636), as
 * native applications do it (RFC 8252). */
#ifndef BEARER_AUTHORIZATION_CODE_H
#define BEARER_AUTHORIZATION_CODE_H

#include "credential/provider.h"

/* A provider's sign_in for a ceremony that can listen.  Sends the person to oauth2_authorization_endpoint and redeems the
 * code that comes back.  BEARER_CONFIG: there is no such endpoint.  BEARER_PEER: what came back is no answer to this
 * sign-in. BEARER_SIGN_IN: the person declined, or broke it off. */
enum bearer_status authorization_code_sign_in(const struct bearer_request *request, const struct bearer_ceremony *ceremony);

/* Gives the code_challenge of a code_verifier by method S256 (RFC 7636 section 4.2); NULL without memory.  Free it. */
char *authorization_code_challenge(const char *verifier);

#endif
