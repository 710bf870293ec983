/* certificates.h - keys and certificates made with OpenSSL for a test.  A step that fails here fails the test. */
#ifndef TESTS_CERTIFICATES_H
#define TESTS_CERTIFICATES_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdint.h>

#define NOW INT64_C(1790000000) /* 2026-09-21 14:13:20 UTC */
#define DAY 86400

/* Lends the program's RSA key number 0 or 1, of 2048 bits.  They are made once, which takes a while. */
EVP_PKEY *rsa_key(unsigned number);
void rsa_keys_free(void);

/* Gives a self-signed certificate for a key, valid between two times in seconds since the epoch.  Free it. */
X509 *make_certificate(EVP_PKEY *key, int64_t begins, int64_t ends);

#endif
