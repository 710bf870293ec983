/* prompts.h - asking the program for names and passwords: callbacks first, then SASL_INTERACT. */
#ifndef BEARER_PROMPTS_H
#define BEARER_PROMPTS_H

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

/* What the program answered.  A value is NULL while it is not known. */
struct bearer_answer {
    unsigned long id;   /* SASL_CB_AUTHNAME, SASL_CB_USER or SASL_CB_PASS */
    const char *prompt; /* for a person */
    const char *value;  /* lent by the program; valid during this step */
    int asked;          /* it has to be asked for with SASL_INTERACT */
};

/* Fills each answer from *prompt_need (which is then freed) or from the program's callbacks.
 * SASL_OK: all that the program has is filled in.  SASL_INTERACT: *prompt_need now lists the questions.
 * SASL_BADPARAM: a question has to be asked and prompt_need is NULL, or it was asked and not answered.  SASL_NOMEM. */
int bearer_ask(const sasl_utils_t *utils, sasl_interact_t **prompt_need, struct bearer_answer *answers, unsigned count);

#endif
