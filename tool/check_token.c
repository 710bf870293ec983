/* check_token.c - a token for the user: whether it can be had, and how long it lives.
 *
 * Programs treat access tokens as opaque, and servers alone decide what they are good for.  What stands in one is a hint:
 * never a verdict, but where Microsoft documents that no mail server takes it.  The token itself is shown nowhere. */
#include "tool/check_token.h"

#include "credential/clock.h"
#include "provider/jwt.h"
#include "tool/check_claims.h"

#define AREA "token"

/* One that is short from the start is meant, not one that is near its end: there a login fetches another. */
static void check_life(struct check *check, const struct bearer_account *account, const struct bearer_outcome *outcome)
{
    const struct bearer_service *service = account->service;
    char life[32];

    command_duration(outcome->expires - bearer_now(), life, sizeof life);
    if (service != NULL && service->long_life > outcome->expires - outcome->issued)
        check_say(check, CHECK_WARNING, AREA, "sasl-bearer renew, or see why tokens are that short",
                  "it lives for %s: too short for High Volume Email (%s)", life, service->long_life_servers);
    else
        check_say(check, CHECK_OK, AREA, NULL, "it lives for another %s", life);
}

static enum bearer_status obtain(struct check *check, struct bearer_outcome *outcome, struct bearer_error *err)
{
    const struct bearer_demand demand = { .flags = 0 };

    return bearer_obtain(check->context, check->holder, &demand, outcome, err);
}

static bool brings_its_own(const struct check *check)
{
    return bearer_holder_account(check->holder)->provider->flags & BEARER_WANTS_PASSWORD;
}

json_t *check_token_claims(struct check *check)
{
    struct bearer_outcome outcome = BEARER_OUTCOME_INIT;
    json_t *claims = NULL;

    if (check->holder != NULL && !brings_its_own(check) && obtain(check, &outcome, NULL) == BEARER_OK)
        claims = jwt_claims(bearer_secret_reveal(&outcome.token));
    bearer_outcome_clear(&outcome);
    return claims;
}

/* What was found before explains it: one cause is one problem. */
static const char *known_cause(const struct check *check, enum bearer_status status)
{
    if (status == BEARER_CONFIG && check->files_amiss)
        return "first mend what the area files names";
    if (status != BEARER_SIGN_IN && check->network_amiss)
        return "first mend what the area network names";
    return NULL;
}

static void say_failure(struct check *check, const struct bearer_error *err)
{
    const char *known = known_cause(check, err->status);

    if (known != NULL)
        check_say(check, CHECK_SKIPPED, AREA, known, "%s", err->text);
    else
        check_say_refusal(check, CHECK_PROBLEM, AREA, bearer_holder_account(check->holder)->name, err->status, err->text,
                          "");
    check->tokenless = known != NULL                   ? known
                       : err->status == BEARER_SIGN_IN ? "first sign in"
                                                       : "first mend what keeps the token away";
}

static void look(struct check *check, const struct bearer_account *account)
{
    struct bearer_outcome outcome = BEARER_OUTCOME_INIT;
    struct bearer_error err = BEARER_ERROR_INIT;
    json_t *claims;

    if (obtain(check, &outcome, &err) != BEARER_OK) {
        say_failure(check, &err);
        return;
    }
    claims = jwt_claims(bearer_secret_reveal(&outcome.token));
    check_life(check, account, &outcome);
    if (claims != NULL)
        check_claims(check, account, claims);
    else
        check_say(check, CHECK_OK, AREA, NULL,
                  "it is opaque, as those of personal accounts are: only the servers know what it allows");
    json_decref(claims);
    bearer_outcome_clear(&outcome);
}

void check_token(struct check *check)
{
    if (check->user == NULL)
        check_say(check, CHECK_SKIPPED, AREA, "name a user: sasl-bearer check USER",
                  "no user was named, so no token is looked at");
    else if (check->holder != NULL && brings_its_own(check))
        check_say(check, CHECK_SKIPPED, AREA, NULL,
                  "the program brings the token: provider password_field has none of its own");
    else if (check->tokenless != NULL)
        check_say(check, CHECK_SKIPPED, AREA, check->tokenless, "there is no token to look at");
    else if (check->holder != NULL)
        look(check, bearer_holder_account(check->holder));
}
