/* prompts.c - see prompts.h */
#include "plugin/prompts.h"

#include <string.h>

/* The answer to a question asked in an earlier step, or NULL. */
static const sasl_interact_t *answered(sasl_interact_t **prompt_need, unsigned long id)
{
    const sasl_interact_t *prompt = prompt_need != NULL ? *prompt_need : NULL;

    while (prompt != NULL && prompt->id != SASL_CB_LIST_END && prompt->id != id)
        prompt++;
    return prompt != NULL && prompt->id == id ? prompt : NULL;
}

static int ask_callback(const sasl_utils_t *utils, struct bearer_answer *answer)
{
    sasl_callback_ft function = NULL;
    void *context = NULL;
    int result = utils->getcallback(utils->conn, answer->id, &function, &context);

    if (result == SASL_INTERACT) {
        answer->asked = 1;
        return SASL_OK;
    }
    if (result != SASL_OK || function == NULL)
        return SASL_OK; /* the program has nothing to say; whether that matters, the mechanism knows */
    if (answer->id == SASL_CB_PASS) {
        sasl_secret_t *secret = NULL;

        result = ((sasl_getsecret_t *)(void *)function)(utils->conn, context, SASL_CB_PASS, &secret);
        if (result == SASL_OK && secret != NULL)
            answer->value = (const char *)secret->data; /* libsasl2 and its hosts end it with a NUL */
    } else {
        result = ((sasl_getsimple_t *)(void *)function)(context, (int)answer->id, &answer->value, NULL);
    }
    if (result == SASL_INTERACT) {
        answer->asked = 1;
        result = SASL_OK;
    }
    return result;
}

static int make_questions(const sasl_utils_t *utils, sasl_interact_t **prompt_need, const struct bearer_answer *answers,
                          unsigned count)
{
    sasl_interact_t *list = utils->calloc(count + 1, sizeof *list);
    unsigned n = 0;

    if (list == NULL)
        return SASL_NOMEM;
    for (unsigned i = 0; i < count; i++) {
        if (!answers[i].asked)
            continue;
        list[n].id = answers[i].id;
        list[n].challenge = answers[i].prompt;
        list[n].prompt = answers[i].prompt;
        list[n].defresult = NULL;
        n++;
    }
    list[n].id = SASL_CB_LIST_END;
    *prompt_need = list;
    return SASL_INTERACT;
}

int bearer_ask(const sasl_utils_t *utils, sasl_interact_t **prompt_need, struct bearer_answer *answers, unsigned count)
{
    int questions = 0, result = SASL_OK;

    for (unsigned i = 0; i < count && result == SASL_OK; i++) {
        const sasl_interact_t *prompt = answered(prompt_need, answers[i].id);

        if (prompt != NULL)
            answers[i].value = prompt->result;
        else
            result = ask_callback(utils, &answers[i]);
        questions += answers[i].asked;
    }
    if (prompt_need != NULL && *prompt_need != NULL) {
        utils->free(*prompt_need);
        *prompt_need = NULL;
    }
    if (result != SASL_OK)
        return result;
    if (questions == 0)
        return SASL_OK;
    return prompt_need != NULL ? make_questions(utils, prompt_need, answers, count) : SASL_BADPARAM;
}
