/* login.c - sasl-bearer login: have a person sign in. */
#include "credential/clock.h"
#include "credential/secret.h"
#include "credential/text.h"
#include "tool/command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <termios.h>
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
    printf("To sign in, open\n\n    %s\n\nin any browser and enter the code\n\n    %s\n\nThe code is good for %s.\n", where, what,
           command_duration(expires_in, life, sizeof life));
    fflush(stdout);
    return 0;
}

static int wait_on_screen(void *context, int64_t milliseconds)
{
    const struct screen *screen = context;
    int64_t until = bearer_monotonic() + milliseconds, now;

    while ((now = bearer_monotonic()) < until) {
        int64_t left = screen->ends > now ? (screen->ends - now) / 1000 : 0;

        if (screen->live) {
            printf("\r  waiting, %lld:%02lld left ", (long long)(left / 60), (long long)(left % 60));
            fflush(stdout);
        }
        bearer_sleep(until - now < 1000 ? until - now : 1000);
    }
    return 0;
}

static int sign_in_by_device(struct bearer_context *context, struct bearer_holder *holder, bool any_user)
{
    struct screen screen = { .live = isatty(STDOUT_FILENO) };
    const struct bearer_ceremony ceremony = { .context = &screen, .show = show, .wait = wait_on_screen };
    struct bearer_error err = BEARER_ERROR_INIT;
    enum bearer_status st = bearer_sign_in(context, holder, &ceremony, any_user, &err);

    if (screen.live && screen.ends != 0)
        printf("\r%30s\r", "");
    return st == BEARER_OK ? EX_OK : command_fail(&err);
}

/* Makes a terminal pass on what is typed without showing it: not by lines, which it cuts at 4096 bytes, and without its signals,
 * which would leave it so. */
static bool terminal_hush(struct termios *before)
{
    struct termios quiet;

    if (tcgetattr(STDIN_FILENO, before) != 0)
        return false;
    quiet = *before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ICANON | ISIG);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    return true;
}

/* Adds a character to a line of at most size bytes.  False: the line has ended. */
static bool take_character(char c, char *line, size_t size, size_t *length)
{
    enum { CONTROL_C = 3, CONTROL_D = 4, BACKSPACE = 8, DELETE = 127 };

    if (c == '\n' || c == '\r' || c == CONTROL_D)
        return false;
    if (c == CONTROL_C) {
        *length = 0;
        return false;
    }
    if (c == BACKSPACE || c == DELETE)
        *length -= *length > 0;
    else if (*length < size)
        line[(*length)++] = c;
    return true;
}

/* Reads a line without showing it.  Gives it in *secret_out, trimmed. */
static enum bearer_status read_secret_line(struct bearer_secret *secret_out, struct bearer_error *err)
{
    char line[BEARER_TOKEN_MAX + 2], c = '\0';
    struct termios before;
    enum bearer_status st;
    size_t length = 0;
    ssize_t n;
    bool terminal = terminal_hush(&before);

    if (terminal)
        fprintf(stderr, "Refresh token: ");
    do
        n = read(STDIN_FILENO, &c, 1);
    while ((n < 0 && errno == EINTR) || (n > 0 && take_character(c, line, sizeof line, &length)));
    if (terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        fputc('\n', stderr);
    }
    while (length > 0 && strchr(" \t", line[length - 1]) != NULL)
        length--;
    if (length == 0 || length > BEARER_TOKEN_MAX)
        st = bearer_fail(err, BEARER_USAGE, "standard input must hold the refresh token, on one line of at most %d bytes",
                         BEARER_TOKEN_MAX);
    else
        st = bearer_secret_set(secret_out, line, length, err);
    bearer_wipe(line, sizeof line);
    return st;
}

static int sign_in_by_refresh_token(struct bearer_context *context, struct bearer_holder *holder, bool any_user)
{
    struct bearer_secret refresh_token = BEARER_SECRET_INIT;
    struct bearer_error err = BEARER_ERROR_INIT;
    enum bearer_status st = read_secret_line(&refresh_token, &err);

    if (st == BEARER_OK)
        st = bearer_adopt(context, holder, bearer_secret_reveal(&refresh_token), any_user, &err);
    bearer_secret_clear(&refresh_token);
    return st == BEARER_OK ? EX_OK : command_fail(&err);
}

static int run(struct bearer_context *context, const struct arguments *arguments)
{
    bool any_user = arguments->given & ARG_ANY_USER;
    const struct bearer_account *account;
    struct bearer_holder *holder;
    int result;

    if ((holder = command_find(context, arguments->user, &result)) == NULL)
        return result;
    account = bearer_holder_account(holder);
    if (!(account->provider->flags & BEARER_PER_IDENTITY)) {
        fprintf(stderr, "sasl-bearer: nobody needs to sign in for %s: its provider is %s\n", arguments->user,
                account->provider_name);
        return EX_USAGE;
    }
    if (arguments->given & ARG_WITH_REFRESH_TOKEN) {
        result = sign_in_by_refresh_token(context, holder, any_user);
    } else if (arguments->given & ARG_DEVICE) {
        result = sign_in_by_device(context, holder, any_user);
    } else {
        fprintf(stderr, "sasl-bearer: this version cannot sign in by browser yet: add --device, or --with-refresh-token\n");
        return EX_USAGE;
    }
    if (result != EX_OK)
        return result;
    printf("%s is signed in. The sign-in is kept in %s.\n", account->name, bearer_holder_path(holder));
    if (account->level == BEARER_LEVEL_SYSTEM)
        printf("If Postfix uses it, run: postfix reload\n");
    return EX_OK;
}

const struct command command_login = {
    .name = "login",
    .synopsis = "--device|--with-refresh-token [--any-user] USER",
    .summary = "sign in as USER and keep the sign-in for the programs that need it",
    .help = "  --device       show a link and a code to enter in any browser, on any machine\n"
            "  --with-refresh-token\n"
            "                 read a refresh token from standard input instead\n"
            "  --any-user     accept that somebody else than USER signs in\n",
    .accepts = ARG_DEVICE | ARG_WITH_REFRESH_TOKEN | ARG_ANY_USER,
    .user = USER_REQUIRED,
    .run = run,
};
