/* make_certificate.c - see make_certificate.h */
#include "tool/make_certificate.h"

#include "credential/text.h"
#include "tool/whole_file.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DAY 86400

char *make_certificate_public_path(const char *path)
{
    size_t length = strlen(path);

    if (length > 4 && strcmp(path + length - 4, ".pem") == 0)
        length -= 4;
    return bearer_text_format("%.*s.crt", (int)length, path);
}

static enum bearer_status openssl_fail(struct bearer_error *err, const char *what)
{
    char text[256];

    ERR_error_string_n(ERR_peek_last_error(), text, sizeof text);
    ERR_clear_error();
    return bearer_fail(err, BEARER_LOCAL, "OpenSSL cannot make the %s: %s", what, text);
}

/* ------------------------------------------------------------------ the certificate */

/* A number that nobody else has: 159 bits by chance, as RFC 5280 section 4.1.2.2 allows. */
static bool set_serial(X509 *certificate)
{
    BIGNUM *number = BN_new();
    bool done = number != NULL && BN_rand(number, 159, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
                BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;

    BN_free(number);
    return done;
}

static bool set_names(X509 *certificate, const char *name)
{
    X509_NAME *subject = X509_get_subject_name(certificate);

    return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0) == 1 &&
           X509_set_issuer_name(certificate, subject) == 1;
}

static bool fill_in(X509 *certificate, EVP_PKEY *key, const char *name, unsigned days, int64_t now)
{
    return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) && set_names(certificate, name) &&
           ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)now) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)now + (time_t)days * DAY) != NULL &&
           X509_set_pubkey(certificate, key) == 1 && X509_sign(certificate, key, EVP_sha256()) > 0;
}

static bool thumbprint(const X509 *certificate, const EVP_MD *algorithm, char *out)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;

    if (X509_digest(certificate, algorithm, digest, &length) != 1)
        return false;
    for (unsigned i = 0; i < length; i++)
        sprintf(out + 2 * (size_t)i, "%02X", digest[i]);
    return true;
}

/* ------------------------------------------------------------------ the files */

static enum bearer_status write_pem(const char *path, mode_t mode, BIO *pem, struct bearer_error *err)
{
    struct whole_file file = { .path = path, .mode = mode };
    char *bytes;
    long length = BIO_get_mem_data(pem, &bytes);

    file.bytes = bytes;
    file.length = (size_t)length;
    return whole_file_write(&file, NULL, err);
}

/* The public half first: without it the private one is of no use. */
static enum bearer_status write_both(const char *path, const char *public_path, X509 *certificate, EVP_PKEY *key,
                                     struct bearer_error *err)
{
    BIO *public = BIO_new(BIO_s_mem()), *both = BIO_new(BIO_s_secmem());
    enum bearer_status st;

    if (public == NULL || both == NULL || PEM_write_bio_X509(public, certificate) != 1 ||
        PEM_write_bio_X509(both, certificate) != 1 ||
        PEM_write_bio_PKCS8PrivateKey(both, key, NULL, NULL, 0, NULL, NULL) != 1) {
        st = openssl_fail(err, "certificate's file");
    } else if ((st = write_pem(public_path, 0644, public, err)) == BEARER_OK &&
               (st = write_pem(path, 0600, both, err)) != BEARER_OK) {
        unlink(public_path);
    }
    BIO_free(public);
    BIO_free(both); /* which wipes it */
    return st;
}

enum bearer_status make_certificate(const char *path, const char *name, unsigned bits, unsigned days,
                                    struct made_certificate *made, struct bearer_error *err)
{
    int64_t now = time(NULL);
    EVP_PKEY *key = EVP_RSA_gen(bits);
    X509 *certificate = X509_new();
    enum bearer_status st;

    *made =
        (struct made_certificate){ .public_path = make_certificate_public_path(path), .ends = now + (int64_t)days * DAY };
    if (key == NULL || certificate == NULL || !fill_in(certificate, key, name, days, now) ||
        !thumbprint(certificate, EVP_sha1(), made->sha1) || !thumbprint(certificate, EVP_sha256(), made->sha256))
        st = openssl_fail(err, "certificate");
    else if (made->public_path == NULL)
        st = bearer_fail(err, BEARER_NOMEM, "out of memory");
    else if ((st = whole_file_make_directory(path, err)) == BEARER_OK)
        st = write_both(path, made->public_path, certificate, key, err);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return st;
}

void made_certificate_clear(struct made_certificate *made)
{
    free(made->public_path);
    *made = (struct made_certificate){ .public_path = NULL };
}
