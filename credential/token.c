/* token.c - see token.h */
#include "credential/token.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Numbers in files: never reuse one. */
enum field_tag {
    TAG_ACCESS_TOKEN = 1,
    TAG_ISSUED = 2,
    TAG_EXPIRES = 3,
    TAG_REFRESH_AFTER = 4,
    TAG_REFRESH_TOKEN = 5,
    TAG_SIGNED_IN = 6,
    TAG_USER = 7,
    TAG_BINDING = 8,
    TAG_DROPPED = 9,
    TAG_FAILED = 10,
    TAG_RETRY_AT = 11,
    TAG_FAILURES = 12,
    TAG_FAILURE = 13,
    TAG_CAUSE = 14,
    TAG_TEXT = 15,
    TAG_MARK = 16,
    TAG_CREDENTIAL_EXPIRES = 17,
    TAG_EXPIRY_TOLD = 18,
};

enum field_kind { KIND_SECRET, KIND_TIME, KIND_STRING, KIND_ARRAY, KIND_STATUS };

struct field_row {
    uint32_t tag;
    enum field_kind kind;
    size_t offset; /* in struct bearer_token */
    size_t size;   /* of an array */
};

#define AT(member) offsetof(struct bearer_token, member)
#define SIZE(member) sizeof((struct bearer_token *)NULL)->member

static const struct field_row fields[] = {
    { TAG_ACCESS_TOKEN, KIND_SECRET, AT(access_token), 0 },
    { TAG_ISSUED, KIND_TIME, AT(issued), 0 },
    { TAG_EXPIRES, KIND_TIME, AT(expires), 0 },
    { TAG_REFRESH_AFTER, KIND_TIME, AT(refresh_after), 0 },
    { TAG_REFRESH_TOKEN, KIND_SECRET, AT(refresh_token), 0 },
    { TAG_SIGNED_IN, KIND_TIME, AT(signed_in), 0 },
    { TAG_USER, KIND_STRING, AT(user), 0 },
    { TAG_BINDING, KIND_STRING, AT(binding), 0 },
    { TAG_DROPPED, KIND_TIME, AT(dropped), 0 },
    { TAG_FAILED, KIND_TIME, AT(failed), 0 },
    { TAG_RETRY_AT, KIND_TIME, AT(retry_at), 0 },
    { TAG_FAILURES, KIND_TIME, AT(failures), 0 },
    { TAG_FAILURE, KIND_STATUS, AT(failure), 0 },
    { TAG_CAUSE, KIND_ARRAY, AT(cause), SIZE(cause) },
    { TAG_TEXT, KIND_ARRAY, AT(text), SIZE(text) },
    { TAG_MARK, KIND_TIME, AT(mark), 0 },
    { TAG_CREDENTIAL_EXPIRES, KIND_TIME, AT(credential_expires), 0 },
    { TAG_EXPIRY_TOLD, KIND_TIME, AT(expiry_told), 0 },
};

#define FIELD_COUNT (sizeof fields / sizeof fields[0])

/* What stands before each field's bytes. */
struct field_head {
    uint32_t tag;
    uint32_t length;
};

/* A field as bytes, lent from the token or from *number. */
static const void *field_bytes(const struct bearer_token *token, const struct field_row *row, int64_t *number,
                               size_t *length)
{
    const char *at = (const char *)token + row->offset;
    const struct bearer_secret *secret = (const void *)at;
    char *const *string = (const void *)at;

    switch (row->kind) {
    case KIND_SECRET:
        *length = secret->length;
        return secret->bytes;
    case KIND_STRING:
        *length = *string != NULL ? strlen(*string) : 0;
        return *string;
    case KIND_ARRAY:
        *length = strnlen(at, row->size);
        return at;
    case KIND_STATUS:
        *number = *(const enum bearer_status *)(const void *)at;
        break;
    case KIND_TIME:
        *number = *(const int64_t *)(const void *)at;
        break;
    }
    *length = *number != 0 ? sizeof *number : 0;
    return number;
}

enum bearer_status bearer_token_encode(const struct bearer_token *token, struct bearer_secret *record_out,
                                       struct bearer_error *err)
{
    struct bearer_secret record = BEARER_SECRET_INIT;
    enum bearer_status st = bearer_secret_reserve(&record, BEARER_RECORD_MAX, err);
    size_t used = 0;

    if (st != BEARER_OK)
        return st;
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        struct field_head head = { fields[i].tag, 0 };
        size_t length;
        int64_t number = 0;
        const void *bytes = field_bytes(token, &fields[i], &number, &length);

        if (length == 0)
            continue;
        if (length > BEARER_RECORD_MAX - used || sizeof head > BEARER_RECORD_MAX - used - length) {
            bearer_secret_clear(&record);
            return bearer_fail(err, BEARER_LOCAL, "the token and what belongs to it exceed %d bytes", BEARER_RECORD_MAX);
        }
        head.length = (uint32_t)length;
        memcpy(record.bytes + used, &head, sizeof head);
        memcpy(record.bytes + used + sizeof head, bytes, length);
        used += sizeof head + length;
    }
    record.length = used;
    bearer_secret_take(record_out, &record);
    return BEARER_OK;
}

static enum bearer_status field_read(struct bearer_token *token, const struct field_row *row, const char *bytes,
                                     size_t length, struct bearer_error *err)
{
    char *at = (char *)token + row->offset;
    int64_t number = 0;

    if (row->kind == KIND_SECRET)
        return bearer_secret_set((void *)at, bytes, length, err);
    if (row->kind == KIND_STRING) {
        char *copy = strndup(bytes, length);

        if (copy == NULL)
            return bearer_fail(err, BEARER_NOMEM, "out of memory");
        free(*(char **)(void *)at);
        *(char **)(void *)at = copy;
        return BEARER_OK;
    }
    if (row->kind == KIND_ARRAY) {
        size_t n = length < row->size ? length : row->size - 1;

        memcpy(at, bytes, n);
        at[n] = '\0';
        return BEARER_OK;
    }
    if (length != sizeof number)
        return bearer_fail(err, BEARER_LOCAL, "damaged");
    memcpy(&number, bytes, sizeof number);
    if (row->kind == KIND_STATUS)
        *(enum bearer_status *)(void *)at =
            number > 0 && number < BEARER_STATUS_COUNT ? (enum bearer_status)number : BEARER_LATER;
    else
        *(int64_t *)(void *)at = number;
    return BEARER_OK;
}

enum bearer_status bearer_token_decode(const void *record, size_t length, struct bearer_token *token,
                                       struct bearer_error *err)
{
    const char *at = record, *end = at + length;
    enum bearer_status st = BEARER_OK;

    bearer_token_clear(token);
    while (at < end && st == BEARER_OK) {
        struct field_head head;

        if ((size_t)(end - at) < sizeof head) {
            st = bearer_fail(err, BEARER_LOCAL, "damaged");
            break;
        }
        memcpy(&head, at, sizeof head);
        at += sizeof head;
        if (head.length > (size_t)(end - at)) {
            st = bearer_fail(err, BEARER_LOCAL, "damaged");
            break;
        }
        for (size_t i = 0; i < FIELD_COUNT && st == BEARER_OK; i++)
            if (fields[i].tag == head.tag)
                st = field_read(token, &fields[i], at, head.length, err);
        at += head.length;
    }
    if (st != BEARER_OK)
        bearer_token_clear(token);
    return st;
}

void bearer_token_clear(struct bearer_token *token)
{
    bearer_secret_clear(&token->access_token);
    bearer_secret_clear(&token->refresh_token);
    free(token->user);
    free(token->binding);
    *token = (struct bearer_token)BEARER_TOKEN_INIT;
}

enum bearer_status bearer_token_set_text(char **slot, const char *text, struct bearer_error *err)
{
    char *copy = text != NULL ? strdup(text) : NULL;

    if (text != NULL && copy == NULL)
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    free(*slot);
    *slot = copy;
    return BEARER_OK;
}

/* Copies whatever owns memory; the rest comes along by assignment. */
enum bearer_status bearer_token_copy(struct bearer_token *token, const struct bearer_token *from,
                                     struct bearer_error *err)
{
    struct bearer_token copy = *from;
    enum bearer_status st;

    copy.access_token = copy.refresh_token = (struct bearer_secret)BEARER_SECRET_INIT;
    copy.user = copy.binding = NULL;
    bearer_token_clear(token);
    if ((st = bearer_secret_set(&copy.access_token, bearer_secret_reveal(&from->access_token), from->access_token.length,
                                err)) != BEARER_OK ||
        (st = bearer_secret_set(&copy.refresh_token, bearer_secret_reveal(&from->refresh_token),
                                from->refresh_token.length, err)) != BEARER_OK ||
        (st = bearer_token_set_text(&copy.user, from->user, err)) != BEARER_OK ||
        (st = bearer_token_set_text(&copy.binding, from->binding, err)) != BEARER_OK) {
        bearer_token_clear(&copy);
        return st;
    }
    *token = copy;
    return BEARER_OK;
}
