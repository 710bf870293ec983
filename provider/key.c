/* key.c - see key.h
 *
 * The library context is OpenSSL's default one, not one of our own: providers such as pkcs11 are configured there, by the
 * system's openssl.cnf or by the host, and a context of our own would neither know them nor follow their settings.  We only
 * fetch from it. */
#include "provider/key.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define OBJECTS_MAX 64 /* certificates, keys and pieces of rubbish in one file; a chain has about three */
#define BITS_MIN    2048

/* A place to load from, and what we learn of it. */
struct source {
    const struct bearer_option *option;
    const char *passphrase;
    char name[256];  /* for messages */
    bool asked;      /* OpenSSL wanted the passphrase */
    bool old_cipher; /* it is encrypted with something that OpenSSL has given up */
};

/* What was loaded. */
struct found {
    STACK_OF(X509) *certificates;
    EVP_PKEY *private_key;
};

/* ------------------------------------------------------------------ opening */

/* A URI may hold a PIN in its query (RFC 7512 section 2.4), so that is not shown. */
static void source_init(struct source *source, const struct bearer_option *option, const char *passphrase)
{
    size_t length = option->content != NULL ? strlen(option->value) : strcspn(option->value, "?");

    *source = (struct source){ .option = option, .passphrase = passphrase };
    snprintf(source->name, sizeof source->name, "%.*s", (int)length, option->value);
}

/* Stands between OpenSSL and the terminal. */
static int give_passphrase(char *buffer, int size, int for_writing, void *data)
{
    struct source *source = data;
    size_t length = source->passphrase != NULL ? strlen(source->passphrase) : 0;

    (void)for_writing;
    source->asked = true;
    if (source->passphrase == NULL || length > (size_t)size)
        return -1;
    memcpy(buffer, source->passphrase, length);
    return (int)length;
}

static OSSL_STORE_CTX *open_store(struct source *source, const UI_METHOD *method, BIO *bio)
{
    if (bio != NULL)
        return OSSL_STORE_attach(bio, "file", NULL, NULL, method, source, NULL, NULL, NULL);
    return OSSL_STORE_open_ex(source->option->value, NULL, NULL, method, source, NULL, NULL, NULL);
}

/* Takes one more object, if it is of use. */
static void take(const OSSL_STORE_INFO *info, struct found *found)
{
    X509 *certificate;

    if (OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_CERT) {
        certificate = OSSL_STORE_INFO_get1_CERT(info);
        if (certificate != NULL && sk_X509_push(found->certificates, certificate) <= 0)
            X509_free(certificate);
    } else if (OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PKEY && found->private_key == NULL) {
        found->private_key = OSSL_STORE_INFO_get1_PKEY(info);
    }
}

/* What cannot be loaded is passed over: it may be something that nobody needs. */
static void take_all(OSSL_STORE_CTX *store, struct source *source, struct found *found)
{
    for (int i = 0; i < OBJECTS_MAX && !OSSL_STORE_eof(store); i++) {
        unsigned long before = ERR_peek_last_error(), code;
        OSSL_STORE_INFO *info;

        ERR_set_mark();
        info = OSSL_STORE_load(store);
        code = ERR_peek_last_error();
        if (info != NULL)
            take(info, found);
        else if (code != before && ERR_GET_LIB(code) == ERR_LIB_EVP && ERR_GET_REASON(code) == ERR_R_UNSUPPORTED)
            source->old_cipher = true;
        ERR_pop_to_mark();
        OSSL_STORE_INFO_free(info);
    }
}

/* Loads what is in a source: only the type that is wanted, so that no passphrase is missed for something else; 0 = all. */
static enum bearer_status load(struct source *source, int wanted, struct found *found, struct bearer_error *err)
{
    const struct bearer_option *option = source->option;
    bool is_uri = option->content == NULL;
    BIO *bio = is_uri ? NULL : BIO_new_mem_buf(option->content, (int)option->content_length);
    UI_METHOD *method = UI_UTIL_wrap_read_pem_callback(give_passphrase, 0); /* without one, the terminal would be asked */
    OSSL_STORE_CTX *store = method != NULL && (is_uri || bio != NULL) ? open_store(source, method, bio) : NULL;
    enum bearer_status st = BEARER_OK;

    if (store != NULL && (wanted == 0 || OSSL_STORE_expect(store, wanted)))
        take_all(store, source, found);
    else if (is_uri)
        st = bearer_fail(err, BEARER_CONFIG, "OpenSSL cannot open '%s': is a provider for it set up in openssl.cnf?",
                         source->name);
    else
        st = bearer_fail(err, BEARER_NOMEM, "out of memory");
    OSSL_STORE_close(store);
    BIO_free(bio);
    UI_destroy_method(method);
    return st;
}

/* ------------------------------------------------------------------ judging */

/* Why a source does not have something. */
static enum bearer_status missing(const struct source *source, const char *what, struct bearer_error *err)
{
    if (source->asked && source->passphrase == NULL)
        return bearer_fail(err, BEARER_CONFIG, "'%s' is encrypted and oauth2_client_key_passphrase_file is not set",
                           source->name);
    if (source->old_cipher)
        return bearer_fail(err, BEARER_CONFIG,
                           "'%s' is encrypted in an old way that OpenSSL refuses: write it anew, see -legacy in "
                           "openssl-pkcs12(1)",
                           source->name);
    if (source->asked)
        return bearer_fail(err, BEARER_CONFIG, "the passphrase in oauth2_client_key_passphrase_file does not open '%s'",
                           source->name);
    return bearer_fail(err, BEARER_CONFIG, "'%s' holds no %s", source->name, what);
}

static enum bearer_status check_kind(const struct source *source, const EVP_PKEY *private_key, struct bearer_error *err)
{
    int bits = EVP_PKEY_get_bits(private_key);

    if (!EVP_PKEY_is_a(private_key, "RSA"))
        return bearer_fail(err, BEARER_CONFIG, "the key in '%s' is of type %s: Entra takes RSA only", source->name,
                           EVP_PKEY_get0_type_name(private_key));
    if (bits < BITS_MIN)
        return bearer_fail(err, BEARER_CONFIG, "the key in '%s' has %d bits: Entra takes none below %d, make a new one",
                           source->name, bits, BITS_MIN);
    return BEARER_OK;
}

/* Lends the certificate of a private key, or NULL.  A key that its token lets nobody compare (-2) counts as equal: who
 * checks the signature will see. */
static X509 *certificate_of(const EVP_PKEY *private_key, const STACK_OF(X509) *certificates)
{
    for (int i = 0; i < sk_X509_num(certificates); i++) {
        const EVP_PKEY *public_key = X509_get0_pubkey(sk_X509_value(certificates, i));
        int equal = public_key != NULL ? EVP_PKEY_eq(public_key, private_key) : 0;

        if (equal == 1 || equal == -2)
            return sk_X509_value(certificates, i);
    }
    return NULL;
}

static int64_t seconds(const ASN1_TIME *time)
{
    struct tm tm;

    return ASN1_TIME_to_tm(time, &tm) ? (int64_t)timegm(&tm) : 0;
}

static enum bearer_status check_dates(const struct source *source, const X509 *certificate, int64_t now,
                                      struct bearer_error *err)
{
    time_t begins = (time_t)seconds(X509_get0_notBefore(certificate));
    time_t ends = (time_t)seconds(X509_get0_notAfter(certificate));
    char date[32] = "";
    struct tm tm;

    if (now > ends && gmtime_r(&ends, &tm) != NULL) {
        strftime(date, sizeof date, "%Y-%m-%d", &tm);
        return bearer_fail(err, BEARER_CONFIG,
                           "the certificate in '%s' expired on %s: make a new one, upload it to the registration",
                           source->name, date);
    }
    if (now < begins && gmtime_r(&begins, &tm) != NULL) {
        strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S UTC", &tm);
        return bearer_fail(err, BEARER_CONFIG,
                           "the certificate in '%s' is valid only from %s on: is this machine's clock right?", source->name,
                           date);
    }
    return BEARER_OK;
}

/* Makes a pair of what was found.  certificates and keys: where it was looked for, perhaps the same place. */
static enum bearer_status pair(struct found *found, const struct source *certificates, const struct source *keys,
                               int64_t now, struct key *key_out, struct bearer_error *err)
{
    const char *no_key = certificates == keys ? "private key: set oauth2_client_key" : "private key";
    X509 *certificate;
    enum bearer_status st;

    if (sk_X509_num(found->certificates) <= 0)
        return missing(certificates, "certificate", err);
    if (found->private_key == NULL)
        return missing(keys, no_key, err);
    if ((st = check_kind(keys, found->private_key, err)) != BEARER_OK)
        return st;
    if ((certificate = certificate_of(found->private_key, found->certificates)) == NULL)
        return bearer_fail(err, BEARER_CONFIG, "the key in '%s' does not belong to the certificate in '%s'", keys->name,
                           certificates->name);
    if ((st = check_dates(certificates, certificate, now, err)) != BEARER_OK)
        return st;
    X509_up_ref(certificate);
    key_out->certificate = certificate;
    key_out->private_key = found->private_key;
    key_out->expires = seconds(X509_get0_notAfter(certificate));
    snprintf(key_out->name, sizeof key_out->name, "%s", keys->name);
    found->private_key = NULL; /* taken */
    return BEARER_OK;
}

/* ------------------------------------------------------------------ both */

enum bearer_status key_load(const struct bearer_option *certificate, const struct bearer_option *private_key,
                            const char *passphrase, int64_t now, struct key *key_out, struct bearer_error *err)
{
    struct found found = { sk_X509_new_null(), NULL };
    struct source certificates, keys;
    enum bearer_status st;

    *key_out = (struct key)KEY_INIT;
    ERR_set_mark();
    source_init(&certificates, certificate, passphrase);
    if (found.certificates == NULL) {
        st = bearer_fail(err, BEARER_NOMEM, "out of memory");
    } else if (private_key == NULL) {
        if ((st = load(&certificates, 0, &found, err)) == BEARER_OK)
            st = pair(&found, &certificates, &certificates, now, key_out, err);
    } else {
        source_init(&keys, private_key, passphrase);
        if ((st = load(&certificates, OSSL_STORE_INFO_CERT, &found, err)) == BEARER_OK &&
            (st = load(&keys, OSSL_STORE_INFO_PKEY, &found, err)) == BEARER_OK)
            st = pair(&found, &certificates, &keys, now, key_out, err);
    }
    ERR_pop_to_mark();
    sk_X509_pop_free(found.certificates, X509_free);
    EVP_PKEY_free(found.private_key);
    return st;
}

void key_clear(struct key *key)
{
    X509_free(key->certificate);
    EVP_PKEY_free(key->private_key);
    *key = (struct key)KEY_INIT;
}

void key_prepare(void)
{
    OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL);
}
