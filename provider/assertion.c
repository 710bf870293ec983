/* assertion.c - see assertion.h */
#include "provider/assertion.h"

#include "credential/secret.h"
#include "credential/text.h"
#include "provider/base64url.h"

#include <jansson.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIFETIME  600 /* seconds */
#define BACKDATED 60  /* seconds that the other side's clock may be behind */
#define UUID_SIZE 37

/* ------------------------------------------------------------------ what it says */

/* A random UUID (RFC 9562 section 5.4). */
static bool make_uuid(char uuid[UUID_SIZE])
{
    unsigned char b[16];

    if (RAND_bytes(b, sizeof b) != 1)
        return false;
    b[6] = (unsigned char)(0x40 | (b[6] & 0x0f));
    b[8] = (unsigned char)(0x80 | (b[8] & 0x3f));
    snprintf(uuid, UUID_SIZE, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3],
             b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
    return true;
}

/* Gives the thumbprint of a certificate as a header has it, or NULL.  Free it. */
static char *thumbprint(const X509 *certificate, const EVP_MD *digest)
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned length;

    return X509_digest(certificate, digest, bytes, &length) ? base64url_encode(bytes, length) : NULL;
}

/* The header.  ADFS knows a certificate by its SHA-1 alone, and takes RS256 only; Entra takes either thumbprint. */
static json_t *make_header(const X509 *certificate, const char *algorithm)
{
    char *sha256 = thumbprint(certificate, EVP_sha256()), *sha1 = NULL;
    json_t *header = NULL;

    if (sha256 != NULL)
        header = json_pack("{s:s, s:s, s:s}", "alg", algorithm, "typ", "JWT", "x5t#S256", sha256);
    if (strcmp(algorithm, "RS256") == 0 && (sha1 = thumbprint(certificate, EVP_sha1())) != NULL)
        json_object_set_new(header, "x5t", json_string(sha1));
    free(sha256);
    free(sha1);
    return header;
}

static json_t *make_claims(const char *client_id, const char *audience, int64_t now, const char *uuid)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "aud", audience, "iss", client_id, "sub", client_id, "jti", uuid,
                     "nbf", (json_int_t)(now - BACKDATED), "iat", (json_int_t)now, "exp", (json_int_t)(now + LIFETIME));
}

/* Gives an object as a part of a JWT, or NULL; ends the object.  Free it. */
static char *encode_json(json_t *json)
{
    size_t length = json != NULL ? json_dumpb(json, NULL, 0, JSON_COMPACT) : 0;
    char *text = malloc(length + 1), *part = NULL;

    if (text != NULL && length > 0 && json_dumpb(json, text, length, JSON_COMPACT) == length)
        part = base64url_encode(text, length);
    free(text);
    json_decref(json);
    return part;
}

/* Gives the part that is signed (RFC 7515 section 5.1), or NULL.  Free it. */
static char *make_content(const struct key *key, const char *algorithm, const char *client_id, const char *audience,
                          int64_t now, const char *uuid)
{
    char *header = encode_json(make_header(key->certificate, algorithm));
    char *claims = encode_json(make_claims(client_id, audience, now, uuid));
    char *content = NULL;

    if (header != NULL && claims != NULL)
        content = bearer_text_format("%s.%s", header, claims);
    free(header);
    free(claims);
    return content;
}

/* ------------------------------------------------------------------ its signature */

/* RFC 7518 section 3.5: the salt is as long as the digest, and MGF1 uses the same digest. */
static bool set_pss(EVP_PKEY_CTX *parameters)
{
    return EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) > 0 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) > 0 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(parameters, EVP_sha256()) > 0;
}

/* Gives the signature of a text, or NULL; then OpenSSL's queue says why.  Free it. */
static char *sign(EVP_PKEY *private_key, bool pss, const char *content)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *parameters; /* the context's */
    size_t length = (size_t)EVP_PKEY_get_size(private_key);
    unsigned char *signature = malloc(length + 1);
    char *text = NULL;

    if (context != NULL && signature != NULL &&
        EVP_DigestSignInit_ex(context, &parameters, "SHA256", NULL, NULL, private_key, NULL) > 0 &&
        (!pss || set_pss(parameters)) &&
        EVP_DigestSign(context, signature, &length, (const unsigned char *)content, strlen(content)) > 0)
        text = base64url_encode(signature, length);
    free(signature);
    EVP_MD_CTX_free(context);
    return text;
}

static enum bearer_status cannot_sign(const struct key *key, const char *algorithm, struct bearer_error *err)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    bool pss = strcmp(algorithm, "PS256") == 0;

    return bearer_fail(err, BEARER_CONFIG, "the key in '%s' does not sign %s: %s%s", key->name, algorithm,
                       reason != NULL ? reason : "unknown error",
                       pss ? "; if its token knows no PSS, set oauth2_client_assertion_alg to RS256" : "");
}

static enum bearer_status sign_content(const struct key *key, const char *algorithm, const char *content,
                                       char **assertion_out, struct bearer_error *err)
{
    char *signature = sign(key->private_key, strcmp(algorithm, "PS256") == 0, content);
    enum bearer_status st = BEARER_OK;

    if (signature == NULL)
        st = cannot_sign(key, algorithm, err);
    else if ((*assertion_out = bearer_text_format("%s.%s", content, signature)) == NULL)
        st = bearer_fail(err, BEARER_NOMEM, "out of memory");
    bearer_wipe_string(signature);
    free(signature);
    return st;
}

enum bearer_status assertion_make(const struct key *key, const char *algorithm, const char *client_id, const char *audience,
                                  int64_t now, char **assertion_out, struct bearer_error *err)
{
    char uuid[UUID_SIZE], *content = NULL;
    enum bearer_status st;

    *assertion_out = NULL;
    ERR_set_mark();
    if (!make_uuid(uuid))
        st = bearer_fail(err, BEARER_LOCAL, "OpenSSL has no random numbers");
    else if ((content = make_content(key, algorithm, client_id, audience, now, uuid)) == NULL)
        st = bearer_fail(err, BEARER_NOMEM, "out of memory");
    else
        st = sign_content(key, algorithm, content, assertion_out, err);
    ERR_pop_to_mark();
    free(content);
    return st;
}
