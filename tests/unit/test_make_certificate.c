/* A key pair: two files, of which one is closed; and what the provider makes of them. */
#include "tests/unit/scratch.h"

#include "tool/make_certificate.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static mode_t mode_of(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 ? status.st_mode & 07777 : 0;
}

static void test_key_and_certificate_are_a_pair_and_only_the_key_is_closed(void **state)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    const char *path = scratch_path("below/relay.pem");
    struct made_certificate made;
    FILE *file;
    X509 *certificate, *uploaded;
    EVP_PKEY *key;
    int days = 0, seconds = 0;

    (void)state;
    assert_int_equal(make_certificate(path, "relay", 2048, 365, &made, &err), BEARER_OK);
    assert_string_equal(made.public_path, scratch_path("below/relay.crt"));
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(mode_of(made.public_path), 0644);
    assert_non_null(file = fopen(path, "re"));
    assert_non_null(certificate = PEM_read_X509(file, NULL, NULL, NULL));
    assert_non_null(key = PEM_read_PrivateKey(file, NULL, NULL, NULL));
    fclose(file);
    assert_non_null(file = fopen(made.public_path, "re"));
    assert_non_null(uploaded = PEM_read_X509(file, NULL, NULL, NULL));
    assert_null(PEM_read_PrivateKey(file, NULL, NULL, NULL));
    fclose(file);
    assert_int_equal(X509_check_private_key(certificate, key), 1);
    assert_int_equal(X509_verify(certificate, key), 1);
    assert_int_equal(X509_cmp(certificate, uploaded), 0);
    assert_int_equal(EVP_PKEY_get_bits(key), 2048);
    assert_int_equal(ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(certificate), X509_get0_notAfter(certificate)), 1);
    assert_int_equal(days, 365);
    assert_int_equal(strspn(made.sha1, "0123456789ABCDEF"), 40);
    assert_int_equal(strspn(made.sha256, "0123456789ABCDEF"), 64);
    X509_free(certificate);
    X509_free(uploaded);
    EVP_PKEY_free(key);
    made_certificate_clear(&made);
}

static void test_none_is_ever_replaced(void **state)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    struct made_certificate made;
    const char *path = scratch_write("relay.pem", 0600, "precious");
    size_t length;
    char *bytes;

    (void)state;
    assert_int_equal(make_certificate(path, "relay", 2048, 365, &made, &err), BEARER_LOCAL);
    assert_text(err.text, "'%s' is there already, and is not replaced", path);
    made_certificate_clear(&made);
    bytes = (char *)scratch_read(path, &length);
    assert_memory_equal(bytes, "precious", 8);
    free(bytes);
    assert_int_equal(mode_of(scratch_path("relay.crt")), 0); /* half a pair is of no use */
}

static void test_the_public_half_has_a_name_of_its_own(void **state)
{
    static const char *const names[][2] = { { "/a/relay.pem", "/a/relay.crt" },
                                            { "/a/relay", "/a/relay.crt" },
                                            { "/a/relay.crt", "/a/relay.crt.crt" },
                                            { "/a/.pem", "/a/.crt" } };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *name = make_certificate_public_path(names[i][0]);

        assert_string_equal(name, names[i][1]);
        free(name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_key_and_certificate_are_a_pair_and_only_the_key_is_closed),
        scratch_test(test_none_is_ever_replaced),
        scratch_test(test_the_public_half_has_a_name_of_its_own),
    };

    return run_group("make_certificate", tests);
}
