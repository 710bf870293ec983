/* test_token.c - records: what goes in comes out, what is unknown is passed over, what is damaged is refused. */
#include "credential/token.h"
#include "tests/unit/scratch.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* What stands before each field of a record: its tag and its length, in this machine's byte order. */
struct head {
    uint32_t tag;
    uint32_t length;
};

static void set(struct bearer_secret *secret, const char *text)
{
    assert_int_equal(bearer_secret_set(secret, text, strlen(text), NULL), BEARER_OK);
}

static void fill(struct bearer_token *token)
{
    set(&token->access_token, "eyJ0eXAi.access.token~+/==");
    set(&token->refresh_token, "1.AXkAsecret-refresh");
    token->issued = 1700000000;
    token->expires = INT64_C(5000000000); /* after 2038 and 2106 */
    token->refresh_after = 1700001800;
    token->signed_in = 1690000000;
    token->dropped = 1699999999;
    token->credential_expires = 1800000001;
    token->expiry_told = 1700000003;
    token->failed = 1700000100;
    token->retry_at = 1700000160;
    token->failures = 3;
    token->mark = -7;
    token->failure = BEARER_REFUSED;
    strcpy(token->cause, "AADSTS7000215");
    strcpy(token->text, "the client secret has expired");
    assert_int_equal(bearer_token_set_text(&token->user, "bob@contoso.com", NULL), BEARER_OK);
    assert_int_equal(bearer_token_set_text(&token->binding, "provider=delegated endpoint=https://x", NULL), BEARER_OK);
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void assert_same(const struct bearer_token *a, const struct bearer_token *b)
{
    assert_int_equal(a->access_token.length, b->access_token.length);
    assert_string_equal(bearer_secret_reveal(&a->access_token), bearer_secret_reveal(&b->access_token));
    assert_int_equal(a->refresh_token.length, b->refresh_token.length);
    assert_string_equal(bearer_secret_reveal(&a->refresh_token), bearer_secret_reveal(&b->refresh_token));
    assert_true(a->issued == b->issued && a->expires == b->expires && a->refresh_after == b->refresh_after);
    assert_true(a->signed_in == b->signed_in && a->dropped == b->dropped && a->failed == b->failed);
    assert_true(a->credential_expires == b->credential_expires && a->expiry_told == b->expiry_told);
    assert_true(a->retry_at == b->retry_at && a->failures == b->failures && a->mark == b->mark);
    assert_int_equal(a->failure, b->failure);
    assert_string_equal(a->cause, b->cause);
    assert_string_equal(a->text, b->text);
    assert_true(same_text(a->user, b->user));
    assert_true(same_text(a->binding, b->binding));
}

static bool is_empty(const struct bearer_token *token)
{
    return token->access_token.length == 0 && token->refresh_token.length == 0 && token->issued == 0 &&
           token->expires == 0 && token->refresh_after == 0 && token->signed_in == 0 && token->dropped == 0 &&
           token->credential_expires == 0 && token->expiry_told == 0 &&
           token->failed == 0 && token->retry_at == 0 && token->failures == 0 && token->mark == 0 &&
           token->failure == BEARER_OK && token->cause[0] == '\0' && token->text[0] == '\0' && token->user == NULL &&
           token->binding == NULL;
}

static void encode(const struct bearer_token *token, struct bearer_secret *record)
{
    struct bearer_error err = BEARER_ERROR_INIT;

    if (bearer_token_encode(token, record, &err) != BEARER_OK)
        fail_msg("%s", err.text);
}

/* Decodes from memory of exactly that length, so that a sanitizer sees any step beyond. */
static enum bearer_status decode(const void *bytes, size_t length, struct bearer_token *token)
{
    void *copy = malloc(length > 0 ? length : 1);
    enum bearer_status st;

    assert_non_null(copy);
    memcpy(copy, bytes, length);
    st = bearer_token_decode(copy, length, token, NULL);
    free(copy);
    return st;
}

static void what_goes_in_comes_out(void **state)
{
    struct bearer_token token = BEARER_TOKEN_INIT, read = BEARER_TOKEN_INIT;
    struct bearer_secret record = BEARER_SECRET_INIT;

    (void)state;
    fill(&token);
    encode(&token, &record);
    assert_int_equal(decode(record.bytes, record.length, &read), BEARER_OK);
    assert_same(&read, &token);
    bearer_secret_clear(&record);
    bearer_token_clear(&token);
    bearer_token_clear(&read);
}

static void each_field_alone_comes_out_and_nothing_else(void **state)
{
    struct bearer_token full = BEARER_TOKEN_INIT;
    struct bearer_secret record = BEARER_SECRET_INIT;
    size_t fields = 0;

    (void)state;
    fill(&full);
    encode(&full, &record);
    for (size_t at = 0; at < record.length; fields++) {
        struct bearer_token one = BEARER_TOKEN_INIT;
        struct bearer_secret again = BEARER_SECRET_INIT;
        struct head head;

        memcpy(&head, record.bytes + at, sizeof head);
        assert_int_equal(decode(record.bytes + at, sizeof head + head.length, &one), BEARER_OK);
        assert_false(is_empty(&one));
        encode(&one, &again);
        assert_int_equal(again.length, sizeof head + head.length);
        assert_memory_equal(again.bytes, record.bytes + at, again.length);
        at += sizeof head + head.length;
        bearer_secret_clear(&again);
        bearer_token_clear(&one);
    }
    assert_int_equal(fields, 18); /* all of fill() */
    bearer_secret_clear(&record);
    bearer_token_clear(&full);
}

static void an_empty_token_is_an_empty_record(void **state)
{
    struct bearer_token token = BEARER_TOKEN_INIT;
    struct bearer_secret record = BEARER_SECRET_INIT;

    (void)state;
    encode(&token, &record);
    assert_int_equal(record.length, 0);
    fill(&token); /* must not survive */
    assert_int_equal(bearer_token_decode(bearer_secret_reveal(&record), 0, &token, NULL), BEARER_OK);
    assert_true(is_empty(&token));
    bearer_secret_clear(&record);
}

static void unknown_fields_are_passed_over(void **state)
{
    static const struct head unknown[] = { { 0, 0 }, { 97, 3 }, { 999, 0 }, { UINT32_MAX, 700 } };
    struct bearer_token token = BEARER_TOKEN_INIT, read = BEARER_TOKEN_INIT;
    struct bearer_secret record = BEARER_SECRET_INIT;
    char *mixed;
    size_t used = 0, at = 0;

    (void)state;
    fill(&token);
    encode(&token, &record);
    mixed = calloc(1, record.length + 16 * 4 * 1000);
    assert_non_null(mixed);
    while (at < record.length) { /* one of the unknown before each of the known */
        const struct head *stranger = &unknown[at % 4];
        struct head head;

        memcpy(mixed + used, stranger, sizeof *stranger);
        used += sizeof *stranger + stranger->length;
        memcpy(&head, record.bytes + at, sizeof head);
        memcpy(mixed + used, record.bytes + at, sizeof head + head.length);
        used += sizeof head + head.length;
        at += sizeof head + head.length;
    }
    memcpy(mixed + used, &unknown[1], sizeof unknown[1]);
    used += sizeof unknown[1] + unknown[1].length;
    assert_int_equal(decode(mixed, used, &read), BEARER_OK);
    assert_same(&read, &token);
    free(mixed);
    bearer_secret_clear(&record);
    bearer_token_clear(&token);
    bearer_token_clear(&read);
}

static void a_record_cut_at_any_byte_is_refused_or_harmless(void **state)
{
    struct bearer_token token = BEARER_TOKEN_INIT, read = BEARER_TOKEN_INIT;
    struct bearer_secret record = BEARER_SECRET_INIT;
    size_t whole = 0, boundary = 0;

    (void)state;
    fill(&token);
    encode(&token, &record);
    for (size_t length = 0; length < record.length; length++) {
        enum bearer_status st = decode(record.bytes, length, &read);

        if (length == boundary) { /* between two fields: the rest is missing, what is there is right */
            struct head head;

            assert_int_equal(st, BEARER_OK);
            assert_true(read.access_token.length == 0 || read.access_token.length == token.access_token.length);
            assert_true(read.refresh_token.length == 0 || read.refresh_token.length == token.refresh_token.length);
            memcpy(&head, record.bytes + length, sizeof head);
            boundary += sizeof head + head.length;
            whole++;
        } else {
            assert_int_equal(st, BEARER_LOCAL);
            assert_true(is_empty(&read));
        }
    }
    assert_int_equal(whole, 18);
    bearer_secret_clear(&record);
    bearer_token_clear(&token);
    bearer_token_clear(&read);
}

static void a_record_with_any_byte_changed_does_no_harm(void **state)
{
    struct bearer_token token = BEARER_TOKEN_INIT, read = BEARER_TOKEN_INIT;
    struct bearer_secret record = BEARER_SECRET_INIT;

    (void)state;
    fill(&token);
    encode(&token, &record);
    for (size_t i = 0; i < record.length; i++)
        for (int bit = 0; bit < 8; bit += 7) {
            record.bytes[i] = (char)(record.bytes[i] ^ (1 << bit));
            if (decode(record.bytes, record.length, &read) != BEARER_OK)
                assert_true(is_empty(&read));
            assert_true((unsigned)read.failure < BEARER_STATUS_COUNT);
            assert_true(memchr(read.text, '\0', sizeof read.text) != NULL);
            assert_true(memchr(read.cause, '\0', sizeof read.cause) != NULL);
            record.bytes[i] = (char)(record.bytes[i] ^ (1 << bit));
        }
    bearer_secret_clear(&record);
    bearer_token_clear(&token);
    bearer_token_clear(&read);
}

static void a_length_beyond_the_end_is_refused(void **state)
{
    static const uint32_t lengths[] = { 1, 9, 0x7fffffff, 0x80000000, UINT32_MAX - 7, UINT32_MAX };
    struct bearer_token token = BEARER_TOKEN_INIT;

    (void)state;
    for (uint32_t tag = 0; tag < 20; tag++)
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
            const struct head head = { tag, lengths[i] };

            assert_int_equal(decode(&head, sizeof head, &token), BEARER_LOCAL);
            assert_true(is_empty(&token));
        }
}

static void a_number_of_another_size_is_refused(void **state)
{
    struct {
        struct head head;
        char bytes[16];
    } field = { { 2, 0 }, { 1 } };
    struct bearer_token token = BEARER_TOKEN_INIT;

    (void)state;
    for (uint32_t length = 0; length <= 16; length++) {
        field.head.length = length;
        assert_int_equal(decode(&field, sizeof field.head + length, &token), length == 8 ? BEARER_OK : BEARER_LOCAL);
    }
    bearer_token_clear(&token);
}

static void a_status_of_tomorrow_is_one_that_passes(void **state)
{
    static const int64_t numbers[] = { BEARER_STATUS_COUNT, -1, INT64_MAX, INT64_MIN };
    struct {
        struct head head;
        int64_t number;
    } field = { { 13, 8 }, 0 };
    struct bearer_token token = BEARER_TOKEN_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        field.number = numbers[i];
        assert_int_equal(decode(&field, sizeof field, &token), BEARER_OK);
        assert_int_equal(token.failure, BEARER_LATER);
    }
    bearer_token_clear(&token);
}

static void a_text_longer_than_its_place_is_cut(void **state)
{
    struct {
        struct head head;
        char bytes[2000];
    } field = { { 15, 2000 }, "" };
    struct bearer_token token = BEARER_TOKEN_INIT;

    (void)state;
    memset(field.bytes, 'x', sizeof field.bytes);
    assert_int_equal(decode(&field, sizeof field, &token), BEARER_OK);
    assert_int_equal(strlen(token.text), sizeof token.text - 1);
    field.head.tag = 14;
    assert_int_equal(decode(&field, sizeof field, &token), BEARER_OK);
    assert_int_equal(strlen(token.cause), sizeof token.cause - 1);
    bearer_token_clear(&token);
}

static void the_largest_token_and_all_that_belongs_to_it_fit(void **state)
{
    static char longest[BEARER_TOKEN_MAX + 1], binding[2500];
    struct bearer_token token = BEARER_TOKEN_INIT, read = BEARER_TOKEN_INIT;
    struct bearer_secret record = BEARER_SECRET_INIT;
    struct bearer_error err = BEARER_ERROR_INIT;

    (void)state;
    memset(longest, 'x', BEARER_TOKEN_MAX);
    memset(binding, 'b', sizeof binding - 1);
    fill(&token);
    set(&token.access_token, longest);
    set(&token.refresh_token, longest);
    memset(token.text, 't', sizeof token.text - 1);
    memset(token.cause, 'c', sizeof token.cause - 1);
    bearer_token_set_text(&token.binding, binding, NULL);
    encode(&token, &record);
    assert_true(record.length <= BEARER_RECORD_MAX);
    assert_int_equal(decode(record.bytes, record.length, &read), BEARER_OK);
    assert_same(&read, &token);

    {
        static char larger[BEARER_RECORD_MAX];

        memset(larger, 'x', sizeof larger - 1);
        set(&token.access_token, larger);
    }
    assert_int_equal(bearer_token_encode(&token, &record, &err), BEARER_LOCAL);
    assert_text(err.text, "the token and what belongs to it exceed %d bytes", BEARER_RECORD_MAX);
    assert_int_equal(bearer_token_encode(&token, &record, NULL), BEARER_LOCAL);
    bearer_secret_clear(&record);
    bearer_token_clear(&token);
    bearer_token_clear(&read);
}

static void a_record_may_be_full_to_the_last_byte(void **state)
{
    static char text[BEARER_RECORD_MAX + 1];
    struct bearer_token token = BEARER_TOKEN_INIT;
    struct bearer_secret record = BEARER_SECRET_INIT;

    (void)state;
    memset(text, 'x', BEARER_RECORD_MAX);
    bearer_secret_set(&token.access_token, text, BEARER_RECORD_MAX - sizeof(struct head), NULL);
    encode(&token, &record);
    assert_int_equal(record.length, BEARER_RECORD_MAX);
    bearer_secret_set(&token.access_token, text, BEARER_RECORD_MAX - sizeof(struct head) + 1, NULL);
    assert_int_equal(bearer_token_encode(&token, &record, NULL), BEARER_LOCAL);
    bearer_secret_set(&token.access_token, text, BEARER_RECORD_MAX, NULL);
    assert_int_equal(bearer_token_encode(&token, &record, NULL), BEARER_LOCAL);
    bearer_secret_clear(&record);
    bearer_token_clear(&token);
}

static void a_copy_is_the_same_and_its_own(void **state)
{
    struct bearer_token token = BEARER_TOKEN_INIT, copy = BEARER_TOKEN_INIT, nothing = BEARER_TOKEN_INIT;

    (void)state;
    fill(&token);
    fill(&copy); /* is replaced */
    strcpy(copy.text, "older");
    assert_int_equal(bearer_token_copy(&copy, &token, NULL), BEARER_OK);
    assert_same(&copy, &token);
    assert_ptr_not_equal(copy.access_token.bytes, token.access_token.bytes);
    assert_ptr_not_equal(copy.user, token.user);
    bearer_token_clear(&token);
    assert_true(is_empty(&token));
    assert_string_equal(copy.user, "bob@contoso.com");
    assert_int_equal(bearer_token_copy(&copy, &nothing, NULL), BEARER_OK);
    assert_true(is_empty(&copy));
    bearer_token_clear(&copy);
    bearer_token_clear(&copy);
}

static void a_text_is_replaced_by_a_copy_or_by_none(void **state)
{
    char *slot = NULL, text[] = "one";

    (void)state;
    assert_int_equal(bearer_token_set_text(&slot, text, NULL), BEARER_OK);
    text[0] = 'x';
    assert_string_equal(slot, "one");
    assert_int_equal(bearer_token_set_text(&slot, slot, NULL), BEARER_OK);
    assert_string_equal(slot, "one");
    assert_int_equal(bearer_token_set_text(&slot, NULL, NULL), BEARER_OK);
    assert_null(slot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(each_field_alone_comes_out_and_nothing_else),
        cmocka_unit_test(an_empty_token_is_an_empty_record),
        cmocka_unit_test(unknown_fields_are_passed_over),
        cmocka_unit_test(a_record_cut_at_any_byte_is_refused_or_harmless),
        cmocka_unit_test(a_record_with_any_byte_changed_does_no_harm),
        cmocka_unit_test(a_length_beyond_the_end_is_refused),
        cmocka_unit_test(a_number_of_another_size_is_refused),
        cmocka_unit_test(a_status_of_tomorrow_is_one_that_passes),
        cmocka_unit_test(a_text_longer_than_its_place_is_cut),
        scratch_test(the_largest_token_and_all_that_belongs_to_it_fit),
        cmocka_unit_test(a_record_may_be_full_to_the_last_byte),
        cmocka_unit_test(a_copy_is_the_same_and_its_own),
        cmocka_unit_test(a_text_is_replaced_by_a_copy_or_by_none),
    };

    return run_group("token", tests);
}
