/* login_device.c - signing in with a code that is typed into a browser elsewhere. */
#include "credential/clock.h"
#include "credential/text.h"
#include "tool/command.h"
#include "tool/login.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* What the person sees while they sign in. */
struct screen {
    int64_t ends; /* CLOCK_MONOTONIC ms */
    bool live;    /* a terminal: show a countdown */
};

static int show(void *context, const char *uri, const char *code, const char *message, int64_t expires_in)
{
    struct screen *screen = context;
    char life[32], where[1024], what[64];

    (void)message; /* says the same in more words, in whatever language the server chose */
    screen->ends = bearer_monotonic() + expires_in * 1000;
    bearer_text_printable(where, sizeof where, uri, strlen(uri));
    bearer_text_printable(what, sizeof what, code, strlen(code));
    printf("To sign in, open\n\n    %s\n\nin any browser and enter the code\n\n    %s\n\nThe code is good for %s.\n", where,
           what, command_duration(expires_in, life, sizeof life));
    fflush(stdout);
    return 0;
}

static int wait_on_screen(void *context, int64_t milliseconds)
{
    const struct screen *screen = context;
    int64_t until = bearer_monotonic() + milliseconds, now;

    while ((now = bearer_monotonic()) < until) {
        if (screen->live)
            login_show_countdown(screen->ends - now, "");
        bearer_sleep(until - now < 1000 ? until - now : 1000);
    }
    return 0;
}

int login_by_device(struct bearer_context *context, struct bearer_holder *holder, bool any_user)
{
    struct screen screen = { .live = isatty(STDOUT_FILENO) };
    const struct bearer_ceremony ceremony = { .context = &screen, .show = show, .wait = wait_on_screen };
    struct bearer_error err = BEARER_ERROR_INIT;
    enum bearer_status st = bearer_sign_in(context, holder, &ceremony, any_user, &err);

    if (screen.live && screen.ends != 0)
        login_hide_countdown();
    return st == BEARER_OK ? EX_OK : command_fail(&err);
}
