/* certificates.c - see certificates.h */
#include "tests/unit/certificates.h"

#include "tests/unit/scratch.h"

static EVP_PKEY *keys[2];

EVP_PKEY *rsa_key(unsigned number)
{
    if (keys[number] == NULL)
        keys[number] = EVP_RSA_gen(2048);
    assert_non_null(keys[number]);
    return keys[number];
}

void rsa_keys_free(void)
{
    for (unsigned i = 0; i < 2; i++) {
        EVP_PKEY_free(keys[i]);
        keys[i] = NULL;
    }
}

X509 *make_certificate(EVP_PKEY *key, int64_t begins, int64_t ends)
{
    X509 *certificate = X509_new(), *copy;
    X509_NAME *name = X509_NAME_new();

    assert_non_null(certificate);
    assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"relay", -1, -1, 0), 1);
    assert_int_equal(X509_set_version(certificate, X509_VERSION_3), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1), 1);
    assert_non_null(ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)begins));
    assert_non_null(ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)ends));
    assert_int_equal(X509_set_subject_name(certificate, name), 1);
    assert_int_equal(X509_set_issuer_name(certificate, name), 1);
    assert_int_equal(X509_set_pubkey(certificate, key), 1);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    copy = X509_dup(certificate); /* as it is read from a file: with a public key of its own */
    X509_NAME_free(name);
    X509_free(certificate);
    return copy;
}
