/* numbered.c - see numbered.h */
#include "tests/fault/numbered.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct number_lengths number_lengths = { 20, 12000, 0 };

bool number_is_expendable(long number)
{
    return number >= 0 && number < 64 && (number_lengths.expendable >> number & 1);
}

static size_t length_of(long number, unsigned which)
{
    unsigned long mixed = ((unsigned long)number * 2 + which) * 2654435761u;

    if (which && number_is_expendable(number))
        return 0;
    return number_lengths.least + mixed / 64 % (number_lengths.most - number_lengths.least + 1);
}

/* Spells "rN-rN-rN-..." or "aN-...": any part that is missing or another state's shows. */
static void spell(long number, unsigned which, char *text, size_t length)
{
    char word[32];
    size_t size = (size_t)snprintf(word, sizeof word, "%c%ld-", which ? 'r' : 'a', number);

    for (size_t i = 0; i < length; i++)
        text[i] = word[i % size];
}

static enum bearer_status set(struct bearer_secret *secret, long number, unsigned which, struct bearer_error *err)
{
    size_t length = length_of(number, which);
    char *text;
    enum bearer_status st;

    if (length == 0)
        return BEARER_OK;
    text = malloc(length);
    if (text == NULL)
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    spell(number, which, text, length);
    st = bearer_secret_set(secret, text, length, err);
    free(text);
    return st;
}

enum bearer_status number_make(long number, struct bearer_token *token_out, struct bearer_error *err)
{
    enum bearer_status st;

    *token_out = (struct bearer_token)BEARER_TOKEN_INIT;
    token_out->issued = number;
    if ((st = set(&token_out->access_token, number, 0, err)) == BEARER_OK)
        st = set(&token_out->refresh_token, number, 1, err);
    if (st == BEARER_OK)
        st = bearer_token_set_text(&token_out->binding, "b", err);
    return st;
}

static bool spells(const struct bearer_secret *secret, long number, unsigned which)
{
    size_t length = length_of(number, which);
    char *text;
    bool same;

    if (length == 0)
        return secret->length == 0;
    text = malloc(length);
    if (text == NULL)
        return false;
    spell(number, which, text, length);
    same = secret->length == length && memcmp(secret->bytes, text, length) == 0;
    free(text);
    return same;
}

long number_of(const struct bearer_token *token)
{
    long number = (long)token->issued;

    if (number == 0)
        return token->access_token.length == 0 && token->refresh_token.length == 0 ? NUMBER_EMPTY : NUMBER_BROKEN;
    return spells(&token->access_token, number, 0) && spells(&token->refresh_token, number, 1) ? number : NUMBER_BROKEN;
}

enum bearer_status number_write(struct bearer_store *store, long number, bool *stored_out, struct bearer_error *err)
{
    struct bearer_token token;
    enum bearer_status st = number_make(number, &token, err);

    if (st == BEARER_OK)
        st = bearer_store_write(store, &token, stored_out, err);
    bearer_token_clear(&token);
    return st;
}

long number_read(struct bearer_store *store, struct bearer_error *err)
{
    const struct bearer_token *token;

    return bearer_store_read(store, &token, err) == BEARER_OK ? number_of(token) : NUMBER_BROKEN;
}

long number_read_path(const char *path, struct bearer_error *err)
{
    struct bearer_store *store;
    long number = NUMBER_BROKEN;

    if (bearer_store_open(path, 0, &store, err) == BEARER_OK)
        number = store != NULL ? number_read(store, err) : NUMBER_EMPTY;
    bearer_store_free(&store);
    return number;
}
