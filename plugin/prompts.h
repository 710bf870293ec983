/* prompts.h - asking the program for names and passwords: callbacks first, then SASL_INTERACT. */
#ifndef BEARER_PROMPTS_H
#define BEARER_PROMPTS_H

#include "credential/secret.h"

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

/* What the program answered. */
struct bearer_answer {
    unsigned long id;           /* SASL_CB_AUTHNAME, SASL_CB_USER or SASL_CB_PASS */
    const char *prompt;         /* for a person */
    int asked;                  /* it has to be asked for with SASL_INTERACT */
    struct bearer_secret value; /* a copy; empty while it is not known */
};

/* Fills each answer from *prompt_need (which is then freed) or from the program's callbacks.
 * SASL_OK: all that the program has is filled in.  SASL_INTERACT: *prompt_need now lists the questions.
 * SASL_BADPARAM: a question has to be asked and prompt_need is NULL.  SASL_NOMEM. */
int bearer_ask(const sasl_utils_t *utils, sasl_interact_t **prompt_need, struct bearer_answer *answers, unsigned count);

/* Wipes the answers. */
void bearer_answers_clear(struct bearer_answer *answers, unsigned count);

#endif
