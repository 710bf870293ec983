/* test_assertion.c - what an application says for itself: the JWT, checked as its receiver would, and which credential is
 * used. */
#include "credential/clock.h"
#include "provider/assertion.h"
#include "provider/base64url.h"
#include "provider/client_auth.h"
#include "tests/unit/certificates.h"
#include "tests/unit/scratch.h"

#include <jansson.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdbool.h>
#include <string.h>

#define CLIENT   "11111111-2222-4333-8444-555555555555"
#define AUDIENCE "https://login.example/TENANT/oauth2/v2.0/token"

static struct key key;

static int make_all(void **state)
{
    (void)state;
    key = (struct key){ make_certificate(rsa_key(0), NOW - DAY, NOW + DAY), rsa_key(0), NOW + DAY, "relay.pem" };
    return 0;
}

static int free_all(void **state)
{
    (void)state;
    X509_free(key.certificate);
    rsa_keys_free();
    return 0;
}

/* ------------------------------------------------------------------ a receiver */

struct jwt {
    char *text;
    const char *payload, *signature; /* inside it */
    json_t *header, *claims;
};

static json_t *decode(const char *part, size_t length)
{
    size_t count;
    unsigned char *bytes = base64url_decode(part, length, &count);
    json_t *json = json_loadb((char *)bytes, count, JSON_REJECT_DUPLICATES, NULL);

    assert_int_equal(count, length * 6 / 8); /* every character was one of the 64 */
    assert_non_null(json);
    free(bytes);
    return json;
}

/* Takes a JWT apart. */
static struct jwt take_apart(char *text)
{
    struct jwt jwt = { .text = text, .payload = strchr(text, '.') + 1 };

    jwt.signature = strchr(jwt.payload, '.') + 1;
    assert_null(strchr(jwt.signature, '.'));
    jwt.header = decode(text, (size_t)(jwt.payload - text - 1));
    jwt.claims = decode(jwt.payload, (size_t)(jwt.signature - jwt.payload - 1));
    return jwt;
}

static void jwt_clear(struct jwt *jwt)
{
    json_decref(jwt->header);
    json_decref(jwt->claims);
    free(jwt->text);
}

static struct jwt make(const char *algorithm)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    char *text;

    if (assertion_make(&key, algorithm, CLIENT, AUDIENCE, NOW, &text, &err) != BEARER_OK)
        fail_msg("%s", err.text);
    return take_apart(text);
}

static bool verifies(const struct jwt *jwt, EVP_PKEY *public_key, bool pss)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *parameters;
    size_t length;
    unsigned char *signature = base64url_decode(jwt->signature, strlen(jwt->signature), &length);
    bool good;

    assert_int_equal(EVP_DigestVerifyInit(context, &parameters, EVP_sha256(), NULL, public_key), 1);
    if (pss) {
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, 32), 1); /* this length and no other */
        assert_int_equal(EVP_PKEY_CTX_set_rsa_mgf1_md(parameters, EVP_sha256()), 1);
    }
    good = EVP_DigestVerify(context, signature, length, (unsigned char *)jwt->text,
                            (size_t)(jwt->signature - jwt->text - 1)) == 1;
    ERR_clear_error();
    EVP_MD_CTX_free(context);
    free(signature);
    return good;
}

static const char *text_of(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));

    assert_non_null(text);
    return text;
}

static void assert_thumbprint(const struct jwt *jwt, const char *name, const EVP_MD *digest)
{
    const char *text = text_of(jwt->header, name);
    unsigned char expected[EVP_MAX_MD_SIZE], *der = NULL, *found;
    unsigned length;
    size_t count;
    int size = i2d_X509(key.certificate, &der);

    assert_int_equal(EVP_Digest(der, (size_t)size, expected, &length, digest, NULL), 1);
    found = base64url_decode(text, strlen(text), &count);
    assert_int_equal(count, length);
    assert_memory_equal(found, expected, length);
    free(found);
    OPENSSL_free(der);
}

/* ------------------------------------------------------------------ the assertion */

static void base64url_as_the_rfcs_have_it(void **state)
{
    static const struct {
        const char *bytes, *text;
    } table[] = { { "", "" },
                  { "f", "Zg" },
                  { "fo", "Zm8" },
                  { "foo", "Zm9v" },
                  { "foob", "Zm9vYg" },
                  { "fooba", "Zm9vYmE" },
                  { "\xff\xef\xbe\xfb", "_----w" },
                  { "\x03\xec\xff\xe0\xc1", "A-z_4ME" } };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char *text = base64url_encode(table[i].bytes, strlen(table[i].bytes));
        size_t length;
        unsigned char *bytes = base64url_decode(text, strlen(text), &length);

        assert_string_equal(text, table[i].text);
        assert_int_equal(length, strlen(table[i].bytes));
        assert_memory_equal(bytes, table[i].bytes, length);
        free(text);
        free(bytes);
    }
}

static void ps256_verifies_with_the_certificate_s_key_alone(void **state)
{
    struct jwt jwt = make("PS256");

    (void)state;
    assert_true(verifies(&jwt, X509_get0_pubkey(key.certificate), true));
    assert_false(verifies(&jwt, X509_get0_pubkey(key.certificate), false));
    assert_false(verifies(&jwt, rsa_key(1), true));
    jwt.text[10] ^= 1;
    assert_false(verifies(&jwt, X509_get0_pubkey(key.certificate), true));
    jwt_clear(&jwt);
}

static void rs256_verifies(void **state)
{
    struct jwt jwt = make("RS256");

    (void)state;
    assert_true(verifies(&jwt, X509_get0_pubkey(key.certificate), false));
    assert_false(verifies(&jwt, X509_get0_pubkey(key.certificate), true));
    jwt_clear(&jwt);
}

static void the_header_names_algorithm_and_certificate(void **state)
{
    struct jwt jwt = make("PS256");

    (void)state;
    assert_int_equal(json_object_size(jwt.header), 3);
    assert_string_equal(text_of(jwt.header, "alg"), "PS256");
    assert_string_equal(text_of(jwt.header, "typ"), "JWT");
    assert_thumbprint(&jwt, "x5t#S256", EVP_sha256());
    jwt_clear(&jwt);
}

static void with_rs256_the_old_thumbprint_as_well(void **state)
{
    struct jwt jwt = make("RS256");

    (void)state;
    assert_int_equal(json_object_size(jwt.header), 4);
    assert_string_equal(text_of(jwt.header, "alg"), "RS256");
    assert_thumbprint(&jwt, "x5t#S256", EVP_sha256());
    assert_thumbprint(&jwt, "x5t", EVP_sha1());
    jwt_clear(&jwt);
}

static void the_claims(void **state)
{
    static const char form[] = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx";
    struct jwt jwt = make("PS256");
    const char *jti = text_of(jwt.claims, "jti");

    (void)state;
    assert_int_equal(json_object_size(jwt.claims), 7);
    assert_string_equal(text_of(jwt.claims, "aud"), AUDIENCE);
    assert_string_equal(text_of(jwt.claims, "iss"), CLIENT);
    assert_string_equal(text_of(jwt.claims, "sub"), CLIENT);
    assert_int_equal(json_integer_value(json_object_get(jwt.claims, "nbf")), NOW - 60);
    assert_int_equal(json_integer_value(json_object_get(jwt.claims, "iat")), NOW);
    assert_int_equal(json_integer_value(json_object_get(jwt.claims, "exp")), NOW + 600);
    assert_int_equal(strlen(jti), strlen(form));
    for (size_t i = 0; form[i] != '\0'; i++)
        if (form[i] == 'x')
            assert_non_null(strchr("0123456789abcdef", jti[i]));
        else if (form[i] == 'y')
            assert_non_null(strchr("89ab", jti[i]));
        else
            assert_int_equal(jti[i], form[i]);
    jwt_clear(&jwt);
}

static void no_two_have_the_same_id(void **state)
{
    struct jwt one = make("PS256"), other = make("PS256");

    (void)state;
    assert_string_not_equal(text_of(one.claims, "jti"), text_of(other.claims, "jti"));
    jwt_clear(&one);
    jwt_clear(&other);
}

/* A public key stands for a token that will not sign. */
static void a_key_that_does_not_sign(void **state)
{
    struct key mute = { key.certificate, X509_get_pubkey(key.certificate), 0, "pkcs11:object=relay" };
    struct bearer_error err = BEARER_ERROR_INIT;
    char *text;

    (void)state;
    ERR_raise(ERR_LIB_USER, 42);
    assert_int_equal(assertion_make(&mute, "PS256", CLIENT, AUDIENCE, NOW, &text, &err), BEARER_CONFIG);
    assert_null(text);
    assert_non_null(strstr(err.text, "the key in 'pkcs11:object=relay' does not sign PS256: "));
    assert_non_null(strstr(err.text, "; if its token knows no PSS, set oauth2_client_assertion_alg to RS256"));
    bearer_error_clear(&err);
    assert_int_equal(assertion_make(&mute, "RS256", CLIENT, AUDIENCE, NOW, &text, &err), BEARER_CONFIG);
    assert_null(strstr(err.text, "oauth2_client_assertion_alg"));
    assert_int_equal(ERR_GET_REASON(ERR_get_error()), 42);
    assert_int_equal(ERR_get_error(), 0);
    EVP_PKEY_free(mute.private_key);
}

/* ------------------------------------------------------------------ which credential */

#define TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

/* A certificate that is good today, with its key.  Free the BIO. */
static BIO *make_file(struct bearer_option *option, int64_t *expires_out)
{
    BIO *file = BIO_new(BIO_s_mem());
    X509 *certificate = make_certificate(rsa_key(0), bearer_now() - DAY, *expires_out = bearer_now() + DAY);
    char *bytes;

    PEM_write_bio_X509(file, certificate);
    PEM_write_bio_PrivateKey(file, rsa_key(0), NULL, NULL, 0, NULL, NULL);
    X509_free(certificate);
    option->content_length = (size_t)BIO_get_mem_data(file, &bytes);
    option->content = bytes;
    return file;
}

static void a_certificate_wins(void **state)
{
    struct bearer_option options[] = { { .name = "oauth2_client_id", .value = CLIENT },
                                       { .name = "oauth2_client_secret", .value = "s" },
                                       { .name = "oauth2_federated_token", .value = "a.b.c" },
                                       { .name = "oauth2_client_assertion_alg", .value = "RS256" },
                                       { .name = "oauth2_client_certificate", .value = "/relay.pem" },
                                       { .name = NULL } };
    const struct bearer_request request = { .options = options };
    struct bearer_error err = BEARER_ERROR_INIT;
    struct client_auth auth;
    struct jwt jwt;
    int64_t expires;
    BIO *file = make_file(&options[4], &expires);

    (void)state;
    assert_int_equal(client_auth_begin(&request, AUDIENCE, &auth, &err), BEARER_OK);
    assert_null(auth.secret);
    assert_string_equal(auth.assertion_type, TYPE);
    assert_int_equal(auth.expires, expires);
    jwt = take_apart(strdup(auth.assertion));
    assert_string_equal(text_of(jwt.header, "alg"), "RS256");
    assert_string_equal(text_of(jwt.claims, "iss"), CLIENT);
    assert_string_equal(text_of(jwt.claims, "aud"), AUDIENCE);
    assert_in_range(json_integer_value(json_object_get(jwt.claims, "iat")), bearer_now() - 60, bearer_now());
    jwt_clear(&jwt);
    client_auth_clear(&auth);
    assert_null(auth.assertion);
    BIO_free(file);
}

static void a_certificate_that_is_no_good_is_not_replaced_by_a_secret(void **state)
{
    static const struct bearer_option options[] = { { .name = "oauth2_client_secret", .value = "s" },
                                                    { "oauth2_client_certificate", "/relay.pem", "", 0 },
                                                    { .name = NULL } };
    const struct bearer_request request = { .options = options };
    struct bearer_error err = BEARER_ERROR_INIT;
    struct client_auth auth;

    (void)state;
    assert_int_equal(client_auth_begin(&request, AUDIENCE, &auth, &err), BEARER_CONFIG);
    assert_string_equal(err.text, "'/relay.pem' holds no certificate");
    assert_null(auth.secret);
    assert_null(auth.assertion_type);
    assert_null(auth.assertion);
    client_auth_clear(&auth);
}

static void another_party_s_token_is_handed_on_as_it_is(void **state)
{
    static const struct bearer_option options[] = { { .name = "oauth2_client_secret", .value = "s" },
                                                    { .name = "oauth2_federated_token", .value = "a.b.c" },
                                                    { .name = NULL } };
    const struct bearer_request request = { .options = options };
    struct client_auth auth;

    (void)state;
    assert_int_equal(client_auth_begin(&request, AUDIENCE, &auth, NULL), BEARER_OK);
    assert_null(auth.secret);
    assert_string_equal(auth.assertion_type, TYPE);
    assert_string_equal(auth.assertion, "a.b.c");
    assert_int_equal(auth.expires, 0);
    client_auth_clear(&auth);
}

static void a_secret_and_a_public_client(void **state)
{
    struct bearer_option options[] = { { .name = "oauth2_client_secret", .value = "s" }, { .name = NULL } };
    const struct bearer_request request = { .options = options };
    struct client_auth auth;

    (void)state;
    assert_int_equal(client_auth_begin(&request, AUDIENCE, &auth, NULL), BEARER_OK);
    assert_string_equal(auth.secret, "s");
    assert_null(auth.assertion_type);
    assert_null(auth.assertion);
    client_auth_clear(&auth);
    options[0].name = NULL;
    assert_int_equal(client_auth_begin(&request, AUDIENCE, &auth, NULL), BEARER_OK);
    assert_null(auth.secret);
    assert_null(auth.assertion_type);
    client_auth_clear(&auth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64url_as_the_rfcs_have_it),
        cmocka_unit_test(ps256_verifies_with_the_certificate_s_key_alone),
        cmocka_unit_test(rs256_verifies),
        cmocka_unit_test(the_header_names_algorithm_and_certificate),
        cmocka_unit_test(with_rs256_the_old_thumbprint_as_well),
        cmocka_unit_test(the_claims),
        cmocka_unit_test(no_two_have_the_same_id),
        cmocka_unit_test(a_key_that_does_not_sign),
        cmocka_unit_test(a_certificate_wins),
        cmocka_unit_test(a_certificate_that_is_no_good_is_not_replaced_by_a_secret),
        cmocka_unit_test(another_party_s_token_is_handed_on_as_it_is),
        cmocka_unit_test(a_secret_and_a_public_client),
    };

    cmocka_set_test_filter(getenv("ONLY"));
    return cmocka_run_group_tests_name("assertion", tests, make_all, free_all);
}
