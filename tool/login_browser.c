/* login_browser.c - signing in with a browser: its answer comes to a listener of ours, or is pasted. */
#include "credential/clock.h"
#include "tool/browser.h"
#include "tool/command.h"
#include "tool/listener.h"
#include "tool/login.h"
#include "tool/output.h"
#include "tool/page.h"
#include "tool/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define PATIENCE (15 * 60 * 1000) /* ms: who has not signed in by then will not */

struct session {
    const struct bearer_account *account;
    struct listener *listener;
    struct terminal terminal;
    int64_t ends;                /* CLOCK_MONOTONIC ms */
    struct bearer_error trouble; /* why we ended the ceremony, if we did */
};

/* ------------------------------------------------------------------ what is said */

static void tell_where(const struct session *session, const char *url)
{
    bool opened = browser_open(url);

    output_text(stdout, "To sign in as %s, open this link in a browser%s:\n\n%s\n\n", session->account->name,
                listener_is_open(session->listener) ? " on this machine" : "", url);
    if (opened)
        printf("A browser was asked to do so.\n");
    if (listener_is_open(session->listener))
        output_text(stdout, "In a browser on another machine it ends at a page that cannot be opened. Then, or if nothing "
                            "happens here, paste the address of that last page and press Enter.\n");
    else
        printf("Then paste the address of the page that it ends at, and press Enter.\n");
    fflush(stdout);
}

static void show_time(const struct session *session, int64_t left)
{
    char words[64] = "";

    if (!isatty(STDOUT_FILENO))
        return;
    if (session->terminal.length > 0 && !session->terminal.complete)
        snprintf(words, sizeof words, ", %zu characters pasted: press Enter", session->terminal.length);
    login_show_countdown(left, words);
}

static void hide_time(void)
{
    if (isatty(STDOUT_FILENO))
        login_hide_countdown();
}

static void take_paste(struct session *session)
{
    const char *line = terminal_line(&session->terminal);

    if (*line == '\0')
        return;
    switch (listener_take(session->listener, line)) {
    case LISTENER_TAKEN:
        return;
    case LISTENER_NO_ANSWER:
        hide_time();
        output_text(stdout, "That is not the address that a sign-in ends at: it has no 'state=' in it. Paste all of it.\n");
        break;
    case LISTENER_OTHER_ANSWER:
        hide_time();
        output_text(stdout,
                    "That is the end of another sign-in: open the link above, and paste the address that it ends at.\n");
        break;
    }
    fflush(stdout);
}

/* ------------------------------------------------------------------ waiting */

/* Waits for one thing to happen.  False: that was the end. */
static bool wait_for_something(struct session *session, int64_t left)
{
    int descriptors[LISTENER_DESCRIPTORS];
    unsigned count = listener_descriptors(session->listener, descriptors);
    int64_t pause = listener_run(session->listener, left < 1000 ? left : 1000);

    if (listener_answer(session->listener) != NULL)
        return true;
    switch (terminal_wait(&session->terminal, descriptors, count, pause)) {
    case TERMINAL_LINE:
        take_paste(session);
        return true;
    case TERMINAL_END:
        if (listener_is_open(session->listener))
            return true;
        bearer_fail(&session->trouble, BEARER_USAGE, "standard input ended before anybody pasted the address");
        return false;
    case TERMINAL_STOP:
        bearer_fail(&session->trouble, BEARER_SIGN_IN, "the sign-in was broken off");
        return false;
    case TERMINAL_NOTHING:
        break;
    }
    return true;
}

static void wait_for_answer(struct session *session)
{
    int64_t now;

    while ((now = bearer_monotonic()) < session->ends) {
        show_time(session, session->ends - now);
        if (!wait_for_something(session, session->ends - now) || listener_answer(session->listener) != NULL)
            return;
    }
    bearer_fail(&session->trouble, BEARER_SIGN_IN, "nobody signed in within %d minutes: start again", PATIENCE / 60000);
}

/* ------------------------------------------------------------------ the ceremony */

static int listen_for(void *context, const char *state, char *redirect_uri, size_t size)
{
    struct session *session = context;
    const char *uri = session->account->values[OPT_REDIRECT_URI];

    if (listener_new(uri, state, &session->listener, &session->trouble) != BEARER_OK)
        return -1;
    if (strlen(listener_uri(session->listener)) >= size) {
        bearer_fail(&session->trouble, BEARER_CONFIG, "oauth2_redirect_uri is too long");
        return -1;
    }
    strcpy(redirect_uri, listener_uri(session->listener));
    return 0;
}

static int browse(void *context, const char *url, char **parameters_out)
{
    struct session *session = context;

    *parameters_out = NULL;
    session->ends = bearer_monotonic() + PATIENCE;
    terminal_begin(&session->terminal);
    tell_where(session, url);
    wait_for_answer(session);
    hide_time();
    terminal_end(&session->terminal);
    if (session->trouble.status != BEARER_OK)
        return -1;
    if ((*parameters_out = strdup(listener_answer(session->listener))) == NULL)
        bearer_fail(&session->trouble, BEARER_NOMEM, "out of memory");
    return *parameters_out != NULL ? 0 : -1;
}

/* ------------------------------------------------------------------ the end */

/* Gives the page that says who signed in, who may be somebody else than was asked for. */
static char *page_of_success(struct bearer_context *context, struct bearer_holder *holder)
{
    struct bearer_token token = BEARER_TOKEN_INIT;
    bool known = bearer_peek(context, holder, &token, NULL, NULL) == BEARER_OK && token.user != NULL;
    char *page = page_signed_in(known ? token.user : bearer_holder_account(holder)->name);

    bearer_token_clear(&token);
    return page;
}

int login_by_browser(struct bearer_context *context, struct bearer_holder *holder, bool any_user)
{
    struct session session = { .account = bearer_holder_account(holder), .trouble = BEARER_ERROR_INIT };
    const struct bearer_ceremony ceremony = { .context = &session, .listen = listen_for, .browse = browse };
    struct bearer_error err = BEARER_ERROR_INIT;
    enum bearer_status st = bearer_sign_in(context, holder, &ceremony, any_user, &err);
    int result = EX_OK;
    char *page;

    if (st != BEARER_OK)
        result = command_fail(session.trouble.status != BEARER_OK ? &session.trouble : &err);
    page = st == BEARER_OK ? page_of_success(context, holder) : page_failed(err.text);
    listener_finish(&session.listener, page);
    free(page);
    return result;
}
