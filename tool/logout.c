/* logout.c - sasl-bearer logout: forget a sign-in. */
#include "tool/command.h"

#include <stdio.h>
#include <sysexits.h>

static int run(struct bearer_context *context, const struct arguments *arguments)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    struct bearer_holder *holder;
    bool had;
    int result;

    if ((holder = command_find(context, arguments->user, &result)) == NULL)
        return result;
    if (bearer_sign_out(context, holder, &had, &err) != BEARER_OK)
        return command_fail(&err);
    if (had)
        printf("The tokens of %s are forgotten here. To revoke them everywhere, use the account's sign-in page.\n",
               bearer_holder_account(holder)->key);
    else
        printf("There were no tokens of %s.\n", bearer_holder_account(holder)->key);
    return EX_OK;
}

const struct command command_logout = {
    .name = "logout",
    .synopsis = "USER",
    .summary = "forget the tokens of USER on this machine",
    .help = "",
    .user = USER_REQUIRED,
    .run = run,
};
