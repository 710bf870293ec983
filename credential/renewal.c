/* renewal.c - see renewal.h */
#include "credential/renewal.h"

#define REFUSAL_PAUSE 60      /* seconds; somebody has to change something first */
#define OUTAGE_PAUSE_MAX 60   /* seconds */
#define RETRY_AFTER_MAX 3600  /* seconds; nobody means more than that */
#define DROP_AGE 60           /* seconds a token must have lived before a refusal counts against it */
#define DROP_INTERVAL 300     /* seconds between two drops */
#define DAY 86400             /* seconds */
#define ENDS_SOON (30 * DAY)  /* seconds before a credential's end */

static int64_t life(const struct bearer_token *token)
{
    return token->expires - token->issued;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Fetched so lately that asking again would bring nothing better. */
static bool is_fresh(const struct bearer_token *token, int64_t now)
{
    return now - token->issued < larger(1, life(token) / 20);
}

bool bearer_token_alive(const struct bearer_token *token, int64_t now)
{
    return token->access_token.length > 0 && now >= token->issued && now < token->expires;
}

static int64_t required(const struct bearer_token *token, const struct bearer_margin *margin)
{
    return larger(smaller(margin->usual, life(token) / 10), smaller(margin->demanded, life(token) / 2));
}

bool bearer_token_usable(const struct bearer_token *token, const struct bearer_margin *margin, int64_t now)
{
    if (!bearer_token_alive(token, now))
        return false;
    return is_fresh(token, now) || token->expires - now >= required(token, margin);
}

bool bearer_token_due(const struct bearer_token *token, const struct bearer_margin *margin, int64_t now)
{
    int64_t from = token->refresh_after != 0 ? token->refresh_after : token->expires - life(token) / 5;

    from = smaller(from, token->expires - required(token, margin) - life(token) / 20);
    return now >= from && !is_fresh(token, now) && !bearer_token_backing_off(token, now);
}

bool bearer_token_backing_off(const struct bearer_token *token, int64_t now)
{
    return token->failed != 0 && now >= token->failed && now < token->retry_at;
}

int64_t bearer_backoff(enum bearer_status status, int64_t failures, int64_t retry_after, unsigned jitter)
{
    int64_t pause = REFUSAL_PAUSE;

    if (status == BEARER_LATER || status == BEARER_PEER || status == BEARER_LOCAL || status == BEARER_NOMEM) {
        pause = failures < 7 ? (int64_t)1 << (failures > 0 ? failures - 1 : 0) : OUTAGE_PAUSE_MAX;
        pause = smaller(pause, OUTAGE_PAUSE_MAX);
        pause -= pause > 3 ? (int64_t)(jitter % (unsigned)(pause / 4 + 1)) : 0;
    }
    return larger(pause, smaller(retry_after, RETRY_AFTER_MAX));
}

bool bearer_token_drop_on_refusal(const struct bearer_token *token, int64_t now)
{
    return now - token->issued >= DROP_AGE && (token->dropped == 0 || now - token->dropped >= DROP_INTERVAL);
}

bool bearer_credential_ends_soon(int64_t ends, int64_t now)
{
    return ends != 0 && ends - now < ENDS_SOON;
}

bool bearer_credential_end_to_be_told(int64_t ends, int64_t told, int64_t now)
{
    return bearer_credential_ends_soon(ends, now) && (told == 0 || now - told >= DAY || now < told);
}
