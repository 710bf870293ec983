/* test_key.c - certificates and private keys: every form they come in, and what is said of those that are of no use. */
#include "provider/key.h"
#include "tests/unit/certificates.h"
#include "tests/unit/scratch.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <string.h>

#define RELAY  "/etc/sasl2/relay.pem"
#define SECOND "/etc/sasl2/relay.key"

/* The two files that a test writes and hands over as RELAY and SECOND. */
static BIO *relay, *second;

static X509 *good, *stranger; /* of the first key, of the other one */

static int files_begin(void **state)
{
    relay = BIO_new(BIO_s_mem());
    second = BIO_new(BIO_s_mem());
    return relay == NULL || second == NULL || scratch_begin(state) != 0 ? -1 : 0;
}

static int files_end(void **state)
{
    BIO_free(relay);
    BIO_free(second);
    return scratch_end(state);
}

#define key_test(test) cmocka_unit_test_setup_teardown(test, files_begin, files_end)

static int make_all(void **state)
{
    (void)state;
    good = make_certificate(rsa_key(0), NOW - DAY, NOW + DAY);
    stranger = make_certificate(rsa_key(1), NOW - DAY, NOW + DAY);
    return 0;
}

static int free_all(void **state)
{
    (void)state;
    X509_free(good);
    X509_free(stranger);
    rsa_keys_free();
    return 0;
}

/* ------------------------------------------------------------------ helpers */

static void put_certificate(BIO *file, X509 *certificate)
{
    assert_int_equal(PEM_write_bio_X509(file, certificate), 1);
}

static void put_key(BIO *file, EVP_PKEY *key, const char *passphrase)
{
    const EVP_CIPHER *cipher = passphrase != NULL ? EVP_aes_256_cbc() : NULL;

    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(file, key, cipher, passphrase,
                                                   passphrase != NULL ? (int)strlen(passphrase) : 0, NULL, NULL),
                     1);
}

static void put_traditional_key(BIO *file, EVP_PKEY *key, const char *passphrase)
{
    assert_int_equal(PEM_write_bio_PrivateKey_traditional(file, key, EVP_aes_128_cbc(), (const unsigned char *)passphrase,
                                                          (int)strlen(passphrase), NULL, NULL),
                     1);
}

/* passphrase NULL: not encrypted at all. */
static void put_pkcs12(BIO *file, EVP_PKEY *key, X509 *certificate, const char *passphrase)
{
    int cipher = passphrase == NULL ? -1 : 0;
    PKCS12 *p12 =
        PKCS12_create(passphrase, "relay", key, certificate, NULL, cipher, cipher, 0, passphrase == NULL ? -1 : 0, 0);

    assert_non_null(p12);
    assert_int_equal(i2d_PKCS12_bio(file, p12), 1);
    PKCS12_free(p12);
}

static struct bearer_option option(const char *name, const char *value, BIO *file)
{
    char *bytes = NULL;
    long length = BIO_get_mem_data(file, &bytes);

    return (struct bearer_option){ name, value, bytes != NULL ? bytes : "", (size_t)length };
}

/* Loads RELAY, and SECOND too if something was written there. */
static enum bearer_status load(const char *passphrase, struct key *key, struct bearer_error *err)
{
    struct bearer_option certificate = option("oauth2_client_certificate", RELAY, relay);
    struct bearer_option private_key = option("oauth2_client_key", SECOND, second);

    return key_load(&certificate, private_key.content_length > 0 ? &private_key : NULL, passphrase, NOW, key, err);
}

static void assert_loads(const char *passphrase)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    struct key key;

    if (load(passphrase, &key, &err) != BEARER_OK)
        fail_msg("%s", err.text);
    assert_int_equal(X509_cmp(key.certificate, good), 0);
    assert_int_equal(EVP_PKEY_eq(key.private_key, rsa_key(0)), 1);
    assert_int_equal(key.expires, NOW + DAY);
    key_clear(&key);
}

static void assert_refused(const char *passphrase, const char *text)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    struct key key;

    assert_int_equal(load(passphrase, &key, &err), BEARER_CONFIG);
    assert_string_equal(err.text, text);
    assert_null(key.certificate);
    assert_null(key.private_key);
    key_clear(&key);
}

/* ------------------------------------------------------------------ what is taken */

static void both_in_one_file_in_either_order(void **state)
{
    (void)state;
    put_certificate(relay, good);
    put_key(relay, rsa_key(0), NULL);
    assert_loads(NULL);
    BIO_reset(relay);
    put_key(relay, rsa_key(0), NULL);
    put_certificate(relay, good);
    assert_loads(NULL);
}

static void two_files(void **state)
{
    (void)state;
    put_certificate(relay, good);
    put_key(second, rsa_key(0), NULL);
    assert_loads(NULL);
}

static void the_key_s_own_file_wins(void **state)
{
    (void)state;
    put_key(relay, rsa_key(1), NULL);
    put_certificate(relay, good);
    put_certificate(second, stranger);
    put_key(second, rsa_key(0), NULL);
    assert_loads(NULL);
}

static void an_encrypted_key_of_today_and_of_old(void **state)
{
    (void)state;
    put_certificate(relay, good);
    put_key(relay, rsa_key(0), "open sesame");
    assert_loads("open sesame");
    put_traditional_key(second, rsa_key(0), "open sesame");
    assert_loads("open sesame");
}

static void a_passphrase_that_is_not_needed(void **state)
{
    (void)state;
    put_certificate(relay, good);
    put_key(relay, rsa_key(0), NULL);
    assert_loads("open sesame");
}

static void pkcs12_with_and_without_a_password(void **state)
{
    static const struct {
        const char *locked, *passphrase;
    } table[] = { { "open sesame", "open sesame" }, { "", NULL }, { "", "open sesame" }, { NULL, NULL } };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        BIO_reset(relay);
        put_pkcs12(relay, rsa_key(0), good, table[i].locked);
        assert_loads(table[i].passphrase);
    }
}

static void of_a_chain_the_one_that_fits_the_key(void **state)
{
    (void)state;
    put_certificate(relay, stranger);
    put_certificate(relay, good);
    put_certificate(relay, stranger);
    put_key(relay, rsa_key(0), NULL);
    assert_loads(NULL);
}

static void text_around_the_blocks(void **state)
{
    (void)state;
    BIO_puts(relay, "Bag Attributes\n    friendlyName: relay\nsubject=CN = relay\n");
    put_certificate(relay, good);
    BIO_puts(relay, "Key Attributes: <No Attributes>\n");
    put_key(relay, rsa_key(0), NULL);
    assert_loads(NULL);
}

static void a_uri(void **state)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    struct bearer_option certificate = { .name = "oauth2_client_certificate" };
    struct key key;
    char *bytes;

    (void)state;
    put_certificate(relay, good);
    put_key(relay, rsa_key(0), "1234");
    (void)BIO_get_mem_data(relay, &bytes);
    certificate.value = scratch_text("file:%s", scratch_write_bytes("token", 0600, bytes, (size_t)BIO_pending(relay)));
    if (key_load(&certificate, NULL, "1234", NOW, &key, &err) != BEARER_OK)
        fail_msg("%s", err.text);
    assert_int_equal(X509_cmp(key.certificate, good), 0);
    key_clear(&key);
}

/* ------------------------------------------------------------------ what is not */

static void an_expired_certificate(void **state)
{
    X509 *certificate = make_certificate(rsa_key(0), NOW - 30 * DAY, NOW - 1);

    (void)state;
    put_certificate(relay, certificate);
    put_key(relay, rsa_key(0), NULL);
    X509_free(certificate);
    assert_refused(NULL,
                   "the certificate in '" RELAY "' expired on 2026-09-21: make a new one, upload it to the registration");
}

static void a_certificate_of_tomorrow(void **state)
{
    X509 *certificate = make_certificate(rsa_key(0), NOW + 1, NOW + DAY);

    (void)state;
    put_certificate(relay, certificate);
    put_key(relay, rsa_key(0), NULL);
    X509_free(certificate);
    assert_refused(NULL, "the certificate in '" RELAY
                         "' is valid only from 2026-09-21 14:13:21 UTC on: is this machine's clock right?");
}

static void a_key_that_does_not_match(void **state)
{
    (void)state;
    put_certificate(relay, good);
    put_key(second, rsa_key(1), NULL);
    assert_refused(NULL, "the key in '" SECOND "' does not belong to the certificate in '" RELAY "'");
}

static void a_key_that_is_not_rsa(void **state)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = make_certificate(key, NOW - DAY, NOW + DAY);

    (void)state;
    put_certificate(relay, certificate);
    put_key(relay, key, NULL);
    X509_free(certificate);
    EVP_PKEY_free(key);
    assert_refused(NULL, "the key in '" RELAY "' is of type EC: Entra takes RSA only");
}

static void a_small_key(void **state)
{
    EVP_PKEY *key = EVP_RSA_gen(1024);
    X509 *certificate = make_certificate(key, NOW - DAY, NOW + DAY);

    (void)state;
    put_certificate(relay, certificate);
    put_key(relay, key, NULL);
    X509_free(certificate);
    EVP_PKEY_free(key);
    assert_refused(NULL, "the key in '" RELAY "' has 1024 bits: Entra takes none below 2048, make a new one");
}

#define NOT_SET "' is encrypted and oauth2_client_key_passphrase_file is not set"
#define WRONG   "the passphrase in oauth2_client_key_passphrase_file does not open '"

/* Were the terminal asked, this would wait for ever where there is one. */
static void an_encrypted_key_without_its_passphrase(void **state)
{
    (void)state;
    put_key(relay, rsa_key(0), "open sesame");
    put_certificate(relay, good);
    assert_refused(NULL, "'" RELAY NOT_SET);
    assert_refused("sesame", WRONG RELAY "'");
    assert_refused("", WRONG RELAY "'");
}

static void a_traditional_key_without_its_passphrase(void **state)
{
    (void)state;
    put_certificate(relay, good);
    put_traditional_key(second, rsa_key(0), "open sesame");
    assert_refused(NULL, "'" SECOND NOT_SET);
    assert_refused("sesame", WRONG SECOND "'");
}

static void pkcs12_without_its_passphrase(void **state)
{
    (void)state;
    put_pkcs12(relay, rsa_key(0), good, "open sesame");
    assert_refused(NULL, "'" RELAY NOT_SET);
    assert_refused("sesame", WRONG RELAY "'");
}

static void a_passphrase_longer_than_openssl_takes(void **state)
{
    char passphrase[5000];

    (void)state;
    memset(passphrase, 'x', sizeof passphrase - 1);
    passphrase[sizeof passphrase - 1] = '\0';
    put_pkcs12(relay, rsa_key(0), good, "open sesame");
    assert_refused(passphrase, WRONG RELAY "'");
}

/* As Windows and OpenSSL 1.x made it. */
static void pkcs12_with_a_cipher_that_openssl_gave_up(void **state)
{
    OSSL_PROVIDER *standard = OSSL_PROVIDER_load(NULL, "default"), *legacy = OSSL_PROVIDER_load(NULL, "legacy");
    static const char *const passphrases[] = { "open sesame", "" };
    PKCS12 *p12[2];

    (void)state;
    for (int i = 0; i < 2; i++)
        p12[i] = PKCS12_create(passphrases[i], "relay", rsa_key(0), good, NULL, NID_pbe_WithSHA1And40BitRC2_CBC,
                               NID_pbe_WithSHA1And40BitRC2_CBC, 0, 0, 0);
    OSSL_PROVIDER_unload(legacy);
    if (legacy == NULL)
        skip(); /* a machine that cannot make them any more */
    for (int i = 0; i < 2; i++) {
        BIO_reset(relay);
        assert_int_equal(i2d_PKCS12_bio(relay, p12[i]), 1);
        PKCS12_free(p12[i]);
        assert_refused(passphrases[i], "'" RELAY "' is encrypted in an old way that OpenSSL refuses: write it anew, see "
                                       "-legacy in openssl-pkcs12(1)");
    }
    OSSL_PROVIDER_unload(standard);
}

static void no_certificate(void **state)
{
    static const char *const texts[] = { "", "\n", "nothing of the kind\n", "-----BEGIN CERTIFICATE-----\n",
                                         "-----BEGIN CERTIFICATE-----\nMII!\n-----END CERTIFICATE-----\n" };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        BIO_reset(relay);
        BIO_puts(relay, texts[i]);
        assert_refused(NULL, "'" RELAY "' holds no certificate");
    }
    put_key(relay, rsa_key(0), NULL);
    assert_refused(NULL, "'" RELAY "' holds no certificate");
}

static void no_private_key(void **state)
{
    (void)state;
    put_certificate(relay, good);
    assert_refused(NULL, "'" RELAY "' holds no private key: set oauth2_client_key");
    PEM_write_bio_PUBKEY(second, rsa_key(0));
    assert_refused(NULL, "'" SECOND "' holds no private key");
}

/* Bytes of every value, as many as there may be: an end is found. */
static void rubbish(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 65536; i++)
        BIO_write(relay, &(unsigned char){ (unsigned char)(i * 2654435761U >> 24) }, 1);
    assert_refused(NULL, "'" RELAY "' holds no certificate");
    BIO_reset(relay);
    for (unsigned i = 0; i < 2000; i++)
        BIO_puts(relay, "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    assert_refused(NULL, "'" RELAY "' holds no certificate");
}

static void a_uri_that_nothing_opens_and_its_pin(void **state)
{
    struct bearer_option certificate = { .name = "oauth2_client_certificate",
                                         .value = "pkcs11:token=mail;object=relay?pin-value=1234" };
    struct bearer_error err = BEARER_ERROR_INIT;
    struct key key;

    (void)state;
    assert_int_equal(key_load(&certificate, NULL, NULL, NOW, &key, &err), BEARER_CONFIG);
    assert_string_equal(err.text, "OpenSSL cannot open 'pkcs11:token=mail;object=relay': is a provider for it set up in "
                                  "openssl.cnf?");
}

/* ------------------------------------------------------------------ a guest's manners */

static void the_host_s_errors_stay_where_they_are(void **state)
{
    (void)state;
    ERR_clear_error();
    ERR_raise(ERR_LIB_USER, 42);
    put_key(relay, rsa_key(0), "open sesame");
    put_certificate(relay, good);
    assert_refused("sesame", WRONG RELAY "'");
    assert_loads("open sesame");
    assert_int_equal(ERR_GET_REASON(ERR_get_error()), 42);
    assert_int_equal(ERR_get_error(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        key_test(both_in_one_file_in_either_order),
        key_test(two_files),
        key_test(the_key_s_own_file_wins),
        key_test(an_encrypted_key_of_today_and_of_old),
        key_test(a_passphrase_that_is_not_needed),
        key_test(pkcs12_with_and_without_a_password),
        key_test(of_a_chain_the_one_that_fits_the_key),
        key_test(text_around_the_blocks),
        key_test(a_uri),
        key_test(an_expired_certificate),
        key_test(a_certificate_of_tomorrow),
        key_test(a_key_that_does_not_match),
        key_test(a_key_that_is_not_rsa),
        key_test(a_small_key),
        key_test(an_encrypted_key_without_its_passphrase),
        key_test(a_traditional_key_without_its_passphrase),
        key_test(pkcs12_without_its_passphrase),
        key_test(a_passphrase_longer_than_openssl_takes),
        key_test(pkcs12_with_a_cipher_that_openssl_gave_up),
        key_test(no_certificate),
        key_test(no_private_key),
        key_test(rubbish),
        key_test(a_uri_that_nothing_opens_and_its_pin),
        key_test(the_host_s_errors_stay_where_they_are),
    };

    cmocka_set_test_filter(getenv("ONLY"));
    return cmocka_run_group_tests_name("key", tests, make_all, free_all);
}
