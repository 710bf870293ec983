/* check_refusal.c - why there is no token: the words of provider/catalogue.c for an identity provider's number.
 *
 * The texts of errors name number and remedy in one sentence, as a log wants it.  A doctor says them apart. */
#include "credential/error.h"
#include "credential/text.h"
#include "provider/catalogue.h"
#include "tool/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Who acts, before what is to be done. */
static const char *const who_acts[] = {
    [CATALOGUE_SETUP] = "whoever set this up: ",
    [CATALOGUE_USER] = "the user: ",
    [CATALOGUE_TENANT] = "an administrator, in Entra: ",
    [CATALOGUE_NOBODY] = "nobody, it passes: ",
};

/* A text, taken apart. */
struct refusal {
    const struct catalogue_row *row; /* NULL = no number, or one that nobody knows */
    const char *said;
    int length;       /* of what was said, without the remedy */
    const char *rest; /* behind the remedy: how the provider's people find this refusal */
    int rest_length;
    const char *who;    /* "" = the remedy is not the row's */
    const char *remedy; /* NULL = it could not be told apart */
};

/* Takes out what the sentence has behind its last "; ", and leaves the command behind it, which we name as well. */
static bool take_remedy(struct refusal *refusal, const char *remedy)
{
    const char *at = refusal->said;

    while ((at = strstr(at, remedy)) != NULL && (at - refusal->said < 2 || at[-2] != ';' || at[-1] != ' '))
        at++; /* the provider's own words may be the same */
    if (at == NULL)
        return false;
    refusal->length = (int)(at - refusal->said) - 2;
    refusal->rest = at + strlen(remedy);
    refusal->rest_length = (int)strcspn(refusal->rest, "(");
    while (refusal->rest_length > 0 && refusal->rest[refusal->rest_length - 1] == ' ')
        refusal->rest_length--;
    refusal->remedy = remedy;
    return true;
}

static struct refusal take_apart(enum bearer_status status, const char *text)
{
    const char *number = strstr(text, "AADSTS");
    struct refusal refusal = { .row = number != NULL ? catalogue_find(strtol(number + 6, NULL, 10)) : NULL,
                               .said = text,
                               .length = (int)strlen(text),
                               .rest = "",
                               .who = "" };

    if (refusal.row != NULL && take_remedy(&refusal, refusal.row->remedy))
        refusal.who = who_acts[refusal.row->who];
    else if (refusal.row != NULL)
        (void)take_remedy(&refusal, catalogue_remedy(status)); /* an application cannot do what a person would */
    return refusal;
}

/* Who acts where no row says it. */
static const char *usual_remedy(enum bearer_status status)
{
    switch (status) {
    case BEARER_LATER:
        return "nobody, it passes: try again later; if it does not pass, look at the area network above";
    case BEARER_PEER:
        return "check oauth2_token_endpoint, and whether a proxy answers in its place: look at the area network above";
    case BEARER_CONFIG:
        return "mend that in sasl.conf, or in what it names";
    default:
        return NULL; /* the text says what to do */
    }
}

/* What was mended is tried anew only when the pause after failures has passed, unless somebody says so. */
static char *remedy_of(const struct check *check, const char *name, enum bearer_status status, const struct refusal *refusal)
{
    const char *whose = check->user != NULL ? check->user : "--all";
    const char *remedy = refusal->remedy != NULL ? refusal->remedy : usual_remedy(status);

    if (status == BEARER_SIGN_IN)
        return remedy != NULL ? bearer_text_format("%s%s (sasl-bearer login %s)", refusal->who, remedy, name)
                              : bearer_text_format("run sasl-bearer login %s", name);
    if (status == BEARER_REFUSED)
        return bearer_text_format("%s%s, then run sasl-bearer renew %s", refusal->who, remedy != NULL ? remedy : "mend that",
                                  whose);
    return remedy != NULL ? bearer_text_format("%s%s", refusal->who, remedy) : NULL;
}

void check_say_refusal(struct check *check, enum check_result result, const char *area, const char *name,
                       enum bearer_status status, const char *text, const char *before)
{
    const struct refusal refusal = take_apart(status, text);
    const char *meaning = refusal.row != NULL ? refusal.row->meaning : "", *colon = refusal.row != NULL ? ": " : "";

    check_say_remedy(check, result, area, remedy_of(check, name, status, &refusal), "%s%s%s%.*s%.*s", before, meaning, colon,
                     refusal.length, refusal.said, refusal.rest_length, refusal.rest);
}
