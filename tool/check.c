/* check.c - sasl-bearer check: see check.h.  Here: the command, and how what was found is shown. */
#include "tool/check.h"

#include "credential/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define WIDTH 80 /* columns of text for people */

static const struct {
    const char *word;
    const char *colour; /* SGR */
} results[CHECK_RESULT_COUNT] = {
    [CHECK_OK] = { "ok", "32" },
    [CHECK_SKIPPED] = { "skipped", "2" },
    [CHECK_WARNING] = { "warning", "33" },
    [CHECK_PROBLEM] = { "problem", "1;31" },
};

static void (*const areas[])(struct check *check) = { check_configuration, check_store,   check_plugin, check_postfix,
                                                      check_renewer,       check_network, check_token,  check_logins };

/* ------------------------------------------------------------------ for people */

/* Prints a text, wrapped, its lines after the first indented. */
static void put_wrapped(const char *text, unsigned indent, unsigned column)
{
    const char *word;
    size_t length;

    while (bearer_text_word(&text, &word, &length)) {
        if (column > indent && column + 1 + length > WIDTH) {
            printf("\n%*s", (int)indent, "");
            column = indent;
        }
        printf("%s%.*s", column > indent ? " " : "", (int)length, word);
        column += (unsigned)length + (column > indent);
    }
    putchar('\n');
}

static void put_line(struct check *check, enum check_result result, const char *area, const char *text, const char *remedy)
{
    static const unsigned indent = 10;

    if (check->area == NULL || strcmp(check->area, area) != 0)
        printf("%s%s\n", check->area != NULL ? "\n" : "", area);
    check->area = area;
    if (check->colour)
        printf("\033[%sm%-9s\033[0m ", results[result].colour, results[result].word);
    else
        printf("%-9s ", results[result].word);
    put_wrapped(text, indent, indent);
    if (remedy != NULL) {
        printf("%*s=> ", (int)indent, "");
        put_wrapped(remedy, indent + 3, indent + 3);
    }
    fflush(stdout); /* what comes next may take its time */
}

/* ------------------------------------------------------------------ saying */

void check_say(struct check *check, enum check_result result, const char *area, const char *remedy, const char *format, ...)
{
    va_list arguments;
    char *text;
    int length;

    va_start(arguments, format);
    length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    bearer_text_printable(text, (size_t)length + 1, text, (size_t)length);
    check->counts[result]++;
    if (check->list != NULL)
        json_array_append_new(check->list, json_pack("{s:s, s:s, s:s, s:s?}", "area", area, "result", results[result].word, "text",
                                                     text, "remedy", remedy));
    else if (result >= CHECK_WARNING || !(check->arguments->given & ARG_QUIET))
        put_line(check, result, area, text, remedy);
    free(text);
}

static int put_summary(struct check *check)
{
    int code = check->counts[CHECK_PROBLEM] > 0 ? EX_UNAVAILABLE : EX_OK;

    if (check->list != NULL) {
        json_t *document = json_pack("{s:i, s:b, s:o}", "version", 1, "ok", code == EX_OK, "findings", check->list);

        json_dumpf(document, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(document);
    } else if (!(check->arguments->given & ARG_QUIET)) {
        printf("\n%u ok, %u skipped, %u warnings, %u problems\n", check->counts[CHECK_OK], check->counts[CHECK_SKIPPED],
               check->counts[CHECK_WARNING], check->counts[CHECK_PROBLEM]);
    }
    return code;
}

/* ------------------------------------------------------------------ the command */

/* Colour is for eyes: on a terminal, unless they said no (no-color.org). */
static bool wants_colour(void)
{
    const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");

    return isatty(STDOUT_FILENO) && (no_colour == NULL || *no_colour == '\0') &&
           (terminal == NULL || strcmp(terminal, "dumb") != 0);
}

static int run(struct bearer_context *context, const struct arguments *arguments)
{
    struct check check = { .context = context, .arguments = arguments, .user = arguments->user, .colour = wants_colour() };
    struct bearer_error err = BEARER_ERROR_INIT;

    if (arguments->given & ARG_JSON)
        check.list = json_array();
    if (check.user != NULL && bearer_context_find(context, check.user, &check.holder, &err) != BEARER_OK)
        check_say(&check, CHECK_PROBLEM, "account", NULL, "%s", err.text);
    for (size_t i = 0; i < sizeof areas / sizeof areas[0]; i++)
        areas[i](&check);
    return put_summary(&check);
}

const struct command command_check = {
    .name = "check",
    .synopsis = "[USER] [--server URL]... [--send-to ADDRESS] [--json] [--report] [--quiet]",
    .summary = "look at everything, say what is wrong and what to do about it",
    .help = "  --server URL   log in to this server (imap://, imaps://, pop3s://, smtp://...), not to the service's\n"
            "  --send-to ADDRESS\n"
            "                 send one message there, since some refusals come only then\n"
            "  --json         the same for programs\n"
            "  --report       a report to be shown to others: without names, tenants and addresses\n"
            "  --quiet        only warnings and problems\n\n"
            "Exits with 0 if there is no problem, else with 69.\n\n",
    .accepts = ARG_SERVER | ARG_SEND_TO | ARG_JSON | ARG_REPORT | ARG_QUIET | ARG_VERBOSE,
    .user = USER_OPTIONAL,
    .run = run,
};
