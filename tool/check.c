/* check.c - sasl-bearer check: see check.h.  Here: the command, and how what was found is shown. */
#include "tool/check.h"

#include "credential/text.h"
#include "tool/output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static const struct {
    const char *word;
    const char *colour; /* SGR */
} results[CHECK_RESULT_COUNT] = {
    [CHECK_OK] = { "ok", "32" },
    [CHECK_SKIPPED] = { "skipped", "2" },
    [CHECK_WARNING] = { "warning", "33" },
    [CHECK_PROBLEM] = { "problem", "1;31" },
};

static void (*const areas[])(struct check *check) = { check_configuration, check_account, check_store,
                                                      check_plugin,        check_postfix, check_renewer,
                                                      check_network,       check_token,   check_logins };

/* ------------------------------------------------------------------ for people */

static void put_line(struct check *check, enum check_result result, const char *area, const char *text, const char *remedy)
{
    static const unsigned indent = 10;

    if (strcmp(check->area, area) != 0)
        printf("%s%s\n", check->area[0] != '\0' ? "\n" : "", area);
    snprintf(check->area, sizeof check->area, "%s", area);
    if (check->colour)
        printf("\033[%sm%-9s\033[0m ", results[result].colour, results[result].word);
    else
        printf("%-9s ", results[result].word);
    output_wrapped(text, indent, indent);
    if (remedy != NULL) {
        printf("%*s=> ", (int)indent, "");
        output_wrapped(remedy, indent + 3, indent + 3);
    }
    fflush(stdout); /* what comes next may take its time */
}

/* ------------------------------------------------------------------ saying */

/* Makes a text fit to be printed, and to be shown to strangers if that is wanted.  Takes it; NULL without memory. */
static char *finish(const struct check *check, char *text)
{
    char *shown;

    if (text == NULL)
        return NULL;
    bearer_text_printable(text, strlen(text) + 1, text, strlen(text));
    if (check->report == NULL)
        return text;
    shown = report_show(check->report, text);
    free(text);
    return shown;
}

static void add_to_list(struct check *check, enum check_result result, const char *area, const char *text,
                        const char *remedy)
{
    json_t *row =
        json_pack("{s:s, s:s, s:s, s:s?}", "area", area, "result", results[result].word, "text", text, "remedy", remedy);

    json_array_append_new(check->list, row);
}

/* Takes text and remedy. */
static void say(struct check *check, enum check_result result, const char *area, char *remedy, char *text)
{
    remedy = finish(check, remedy);
    text = finish(check, text);
    check->counts[result]++;
    if (text != NULL && check->list != NULL)
        add_to_list(check, result, area, text, remedy);
    else if (text != NULL && (result >= CHECK_WARNING || !(check->arguments->given & ARG_QUIET)))
        put_line(check, result, area, text, remedy);
    free(remedy);
    free(text);
}

/* Gives the text, or NULL without memory. */
static char *formatted(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

static char *formatted(const char *format, va_list arguments)
{
    char *text;

    return vasprintf(&text, format, arguments) < 0 ? NULL : text;
}

void check_say(struct check *check, enum check_result result, const char *area, const char *remedy, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(check, result, area, remedy != NULL ? strdup(remedy) : NULL, formatted(format, arguments));
    va_end(arguments);
}

void check_say_remedy(struct check *check, enum check_result result, const char *area, char *remedy, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(check, result, area, remedy, formatted(format, arguments));
    va_end(arguments);
}

bool check_is_unseen(int error)
{
    return (error == EACCES || error == EPERM) && geteuid() != 0;
}

void check_say_unseen(struct check *check, const char *area, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(check, CHECK_SKIPPED, area, strdup("run as root to see it"), formatted(format, arguments));
    va_end(arguments);
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
        printf("\n%u ok, %u skipped, %u warning%s, %u problem%s\n", check->counts[CHECK_OK], check->counts[CHECK_SKIPPED],
               check->counts[CHECK_WARNING], check->counts[CHECK_WARNING] == 1 ? "" : "s", check->counts[CHECK_PROBLEM],
               check->counts[CHECK_PROBLEM] == 1 ? "" : "s");
    }
    return code;
}

/* ------------------------------------------------------------------ accounts */

/* For bearer_context_each(). */
struct looking {
    struct check *check;
    check_look *look;
    void *data;
};

static void look_at(void *data, struct bearer_holder *holder, const char *name, const struct bearer_error *err)
{
    const struct looking *looking = data;

    (void)err;
    if (holder != NULL)
        looking->look(looking->check, holder, name, looking->data);
}

void check_each(struct check *check, check_look *look, void *data)
{
    struct looking looking = { check, look, data };

    if (check->holder != NULL)
        look(check, check->holder, check->user, data);
    else if (check->user == NULL)
        bearer_context_each(check->context, look_at, &looking);
}

/* ------------------------------------------------------------------ the command */

static int run(struct bearer_context *context, const struct arguments *arguments)
{
    struct check check = {
        .context = context, .arguments = arguments, .user = arguments->user, .colour = output_wants_colour()
    };
    struct bearer_error err = BEARER_ERROR_INIT;
    int code;

    if (arguments->given & ARG_JSON)
        check.list = json_array();
    if ((arguments->given & ARG_REPORT) && !check_report_begin(&check))
        return EX_TEMPFAIL;
    if (check.user != NULL && bearer_context_find(context, check.user, &check.holder, &err) != BEARER_OK)
        check_say(&check, CHECK_PROBLEM, "account", NULL, "%s", err.text); /* which names the remedy */
    for (size_t i = 0; i < sizeof areas / sizeof areas[0]; i++)
        areas[i](&check);
    code = put_summary(&check);
    report_free(&check.report);
    return code;
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
            "  --quiet        only warnings and problems\n"
            "  --verbose      show defaults, too, and what is said at live logins, without tokens\n\n"
            "Exits with 0 if there is no problem, else with 69.\n\n",
    .accepts = ARG_SERVER | ARG_SEND_TO | ARG_JSON | ARG_REPORT | ARG_QUIET | ARG_VERBOSE,
    .user = USER_OPTIONAL,
    .run = run,
};
