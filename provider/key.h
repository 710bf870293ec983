/* key.h - the certificate that an application proves itself with, and its private key.
 *
 * They come through OpenSSL's OSSL_STORE: as PEM or PKCS#12 from a file that the core has read, or from whatever OpenSSL's
 * own configuration has a provider for, such as pkcs11:.  Nothing here ever asks for a passphrase on a terminal, and
 * OpenSSL's state is left as it was, the thread's queue of errors included. */
#ifndef BEARER_KEY_H
#define BEARER_KEY_H

#include "credential/error.h"
#include "credential/provider.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdint.h>

struct key {
    X509 *certificate;
    EVP_PKEY *private_key; /* RSA, and the certificate's */
    int64_t expires;       /* seconds since the epoch when the certificate ends */
    char name[256];        /* of where the private key came from, for messages */
};

#define KEY_INIT { NULL, NULL, 0, "" }

/* Loads a certificate that is valid now, and its private key, from a place of its own or (NULL) from the certificate's.
 * Among several certificates, as in a chain, the key's is taken.  passphrase may be NULL.  BEARER_CONFIG: there is no such
 * pair, it cannot be opened, or Entra takes none of its kind.  BEARER_NOMEM. */
enum bearer_status key_load(const struct bearer_option *certificate, const struct bearer_option *private_key,
                            const char *passphrase, int64_t now, struct key *key_out, struct bearer_error *err);

/* Wipes and frees. */
void key_clear(struct key *key);

/* Makes OpenSSL read its configuration and open what that names, before a chroot jail hides it. */
void key_prepare(void);

#endif
