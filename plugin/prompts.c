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

static int keep(struct bearer_answer *answer, const void *bytes, size_t length)
{
    return bearer_secret_set(&answer->value, bytes, length, NULL) == BEARER_OK ? SASL_OK : SASL_NOMEM;
}

/* A name or address is a C string; only a password has a length that counts (sasl_secret_t ends with no NUL). */
static int keep_result(struct bearer_answer *answer, const sasl_interact_t *prompt)
{
    if (prompt->result == NULL)
        return SASL_OK;
    return keep(answer, prompt->result, answer->id == SASL_CB_PASS ? prompt->len : strlen(prompt->result));
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
            result = keep(answer, secret->data, secret->len);
    } else {
        const char *name = NULL;

        result = ((sasl_getsimple_t *)(void *)function)(context, (int)answer->id, &name, NULL);
        if (result == SASL_OK && name != NULL)
            result = keep(answer, name, strlen(name));
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
            result = keep_result(&answers[i], prompt);
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

void bearer_answers_clear(struct bearer_answer *answers, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        bearer_secret_clear(&answers[i].value);
}
