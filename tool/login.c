/* login.c - sasl-bearer login: have a person sign in. */
#include "tool/login.h"

#include "credential/secret.h"
#include "tool/command.h"
#include "tool/instructions.h"
#include "tool/output.h"
#include "tool/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

void login_show_countdown(int64_t milliseconds, const char *words)
{
    int64_t left = milliseconds > 0 ? milliseconds / 1000 : 0;
    char line[128];

    snprintf(line, sizeof line, "  waiting, %lld:%02lld left%s", (long long)(left / 60), (long long)(left % 60), words);
    printf("\r%.*s\033[K ", (int)output_width(stdout) - 2, line); /* what is folded cannot be taken back */
    fflush(stdout);
}

void login_hide_countdown(void)
{
    printf("\r\033[K");
    fflush(stdout);
}

/* ------------------------------------------------------------------ a refresh token that somebody has */

/* Reads a line without showing it.  Gives it in *secret_out. */
static enum bearer_status read_secret_line(struct bearer_secret *secret_out, struct bearer_error *err)
{
    struct terminal terminal;
    enum terminal_event event;
    enum bearer_status st;

    terminal_begin(&terminal);
    if (terminal.quiet)
        fprintf(stderr, "Refresh token: ");
    while ((event = terminal_wait(&terminal, NULL, 0, 1000)) == TERMINAL_NOTHING)
        ;
    if (terminal.quiet)
        fputc('\n', stderr);
    if (event != TERMINAL_LINE || terminal.length == 0 || terminal.length > BEARER_TOKEN_MAX)
        st = bearer_fail(err, BEARER_USAGE, "standard input must hold the refresh token, on one line of at most %d bytes",
                         BEARER_TOKEN_MAX);
    else
        st = bearer_secret_set(secret_out, terminal_line(&terminal), terminal.length, err);
    terminal_end(&terminal);
    return st;
}

int login_by_refresh_token(struct bearer_context *context, struct bearer_holder *holder, bool any_user)
{
    struct bearer_secret refresh_token = BEARER_SECRET_INIT;
    struct bearer_error err = BEARER_ERROR_INIT;
    enum bearer_status st = read_secret_line(&refresh_token, &err);

    if (st == BEARER_OK)
        st = bearer_adopt(context, holder, bearer_secret_reveal(&refresh_token), any_user, &err);
    bearer_secret_clear(&refresh_token);
    return st == BEARER_OK ? EX_OK : command_fail(&err);
}

/* ------------------------------------------------------------------ the command */

/* Whether an account is missing because nobody has registered an application for it, or has not said which. */
static bool wants_registration(const struct bearer_error *err)
{
    return err->status == BEARER_NO_ACCOUNT ||
           (err->status == BEARER_CONFIG && strstr(err->text, "lacks oauth2_client_id") != NULL);
}

/* Tells what is missing and, if it is that, how to get it. */
static int no_account(const struct bearer_error *err, const char *user)
{
    const char *at = strchr(user, '@');
    const struct instructions about = { .tenant = at != NULL && at[1] != '\0' ? at + 1 : NULL };
    int result = command_fail(err);
    char *steps;

    if (!wants_registration(err))
        return result;
    steps = instructions_registration(&about);
    output_text(stderr,
                "\nSigning in needs a client id. For Microsoft 365 an application is registered once for everybody. %s\n"
                "Then this asks for the client id, and writes sasl.conf:\n\n"
                "    sasl-bearer setup --delegated %s\n\n"
                "Or write into it yourself:\n\n"
                "    oauth2_tenant:    %s\n    oauth2_client_id: CLIENT_ID\n",
                steps != NULL ? steps : "", user, about.tenant != NULL ? about.tenant : "TENANT");
    free(steps);
    return result;
}

static int run(struct bearer_context *context, const struct arguments *arguments)
{
    bool any_user = arguments->given & ARG_ANY_USER;
    struct bearer_error err = BEARER_ERROR_INIT;
    const struct bearer_account *account;
    struct bearer_holder *holder;
    int result;

    if (bearer_context_find(context, arguments->user, &holder, &err) != BEARER_OK)
        return no_account(&err, arguments->user);
    account = bearer_holder_account(holder);
    if (!(account->provider->flags & BEARER_PER_IDENTITY)) {
        fprintf(stderr, "sasl-bearer: nobody needs to sign in for %s: its provider is %s\n", arguments->user,
                account->provider_name);
        return EX_USAGE;
    }
    if (arguments->given & ARG_WITH_REFRESH_TOKEN)
        result = login_by_refresh_token(context, holder, any_user);
    else if (arguments->given & ARG_DEVICE)
        result = login_by_device(context, holder, any_user);
    else
        result = login_by_browser(context, holder, any_user);
    if (result != EX_OK)
        return result;
    command_say("%s is signed in. The sign-in is kept in %s.\n", account->name, bearer_holder_path(holder));
    if (account->level == BEARER_LEVEL_SYSTEM)
        command_say("If Postfix uses it, run: postfix reload\n");
    return EX_OK;
}

const struct command command_login = {
    .name = "login",
    .synopsis = "[--device|--with-refresh-token] [--any-user] USER",
    .summary = "sign in as USER and keep the sign-in for the programs that need it",
    .help = "  --device       show a link and a code to enter in any browser, on any machine\n"
            "  --with-refresh-token\n"
            "                 read a refresh token from standard input instead\n"
            "  --any-user     accept that somebody else than USER signs in\n",
    .accepts = ARG_DEVICE | ARG_WITH_REFRESH_TOKEN | ARG_ANY_USER,
    .user = USER_REQUIRED,
    .run = run,
};
