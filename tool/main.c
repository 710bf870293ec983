/* main.c - sasl-bearer(1): reads the command line, opens the configuration, runs a command. */
#include "tool/command.h"
#include "tool/output.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>

#define PROGRAM "sasl-bearer"

/* Where options and commands are explained, in --help. */
enum { OPTION_COLUMN = 17, COMMAND_COLUMN = 11 };

static const struct command *const commands[] = {
    &command_login, &command_logout, &command_token, &command_status, &command_renew, &command_check, &command_setup,
    &command_connect, NULL,
};

enum general_option { OPTION_SYSTEM = 1 << ARG_BITS, OPTION_USER, OPTION_CONF, OPTION_HELP, OPTION_VERSION };

static const struct option options[] = {
    { "system", no_argument, NULL, OPTION_SYSTEM },
    { "user", no_argument, NULL, OPTION_USER },
    { "conf", required_argument, NULL, OPTION_CONF },
    { "help", no_argument, NULL, OPTION_HELP },
    { "version", no_argument, NULL, OPTION_VERSION },
    { "device", no_argument, NULL, ARG_DEVICE },
    { "with-refresh-token", no_argument, NULL, ARG_WITH_REFRESH_TOKEN },
    { "any-user", no_argument, NULL, ARG_ANY_USER },
    { "renew", no_argument, NULL, ARG_RENEW },
    { "format", required_argument, NULL, ARG_FORMAT },
    { "all", no_argument, NULL, ARG_ALL },
    { "watch", no_argument, NULL, ARG_WATCH },
    { "json", no_argument, NULL, ARG_JSON },
    { "quiet", no_argument, NULL, ARG_QUIET },
    { "verbose", no_argument, NULL, ARG_VERBOSE },
    { "server", required_argument, NULL, ARG_SERVER },
    { "send-to", required_argument, NULL, ARG_SEND_TO },
    { "report", no_argument, NULL, ARG_REPORT },
    { "delegated", no_argument, NULL, ARG_DELEGATED },
    { "app-only", no_argument, NULL, ARG_APP_ONLY },
    { "tenant", required_argument, NULL, ARG_TENANT },
    { "client-id", required_argument, NULL, ARG_CLIENT_ID },
    { "cloud", required_argument, NULL, ARG_CLOUD },
    { "secret-file", required_argument, NULL, ARG_SECRET_FILE },
    { "secret-expires", required_argument, NULL, ARG_SECRET_EXPIRES },
    { "certificate", required_argument, NULL, ARG_CERTIFICATE },
    { "make-certificate", required_argument, NULL, ARG_MAKE_CERTIFICATE },
    { "mailbox", required_argument, NULL, ARG_MAILBOX },
    { "object-id", required_argument, NULL, ARG_OBJECT_ID },
    { "yes", no_argument, NULL, ARG_YES },
    { "print-powershell", no_argument, NULL, ARG_PRINT_POWERSHELL },
    { "print-consent-url", no_argument, NULL, ARG_PRINT_CONSENT_URL },
    { NULL, 0, NULL, 0 },
};

static const char general_help[] = "  --system       use the system's sasl.conf and tokens (what root does anyway)\n"
                                   "  --user         use your own sasl.conf, then the system's (what others do anyway)\n"
                                   "  --conf FILE    use this sasl.conf and no other\n"
                                   "  --quiet        tell only what is wrong\n"
                                   "  --verbose      tell each request too, its secrets masked\n"
                                   "  --help         tell about the command\n"
                                   "  --version      tell the version\n";

static void help(FILE *out)
{
    char line[160];

    fprintf(out, "usage: " PROGRAM " COMMAND [OPTION]... [USER]\n"
                 "       " PROGRAM " connect [OPTION]... URL USER\n\n"
                 "OAuth 2.0 for every program that uses Cyrus SASL: sign in, look, test.\n\n");
    for (size_t i = 0; commands[i] != NULL; i++) {
        snprintf(line, sizeof line, "  %-*s%s", COMMAND_COLUMN - 2, commands[i]->name, commands[i]->summary);
        output_columns(out, line, COMMAND_COLUMN);
    }
    fprintf(out, "\nwith every command:\n");
    output_columns(out, general_help, OPTION_COLUMN);
    fprintf(out, "\n" PROGRAM " COMMAND --help tells more; so do sasl-bearer(1) and sasl.conf(5).\n");
}

static void command_help(const struct command *command)
{
    unsigned indent = (unsigned)printf("usage: " PROGRAM " %s ", command->name);

    output_wrapped(command->synopsis, indent, indent);
    output_text(stdout, "\n%s\n\n", command->summary);
    output_columns(stdout, command->help, OPTION_COLUMN);
    output_columns(stdout, general_help, OPTION_COLUMN);
}

static int usage(const char *subject, const char *problem)
{
    output_line(stderr, PROGRAM ": %s%s%s; try " PROGRAM " --help", problem, *subject != '\0' ? ": " : "", subject);
    return EX_USAGE;
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; commands[i] != NULL; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

/* ------------------------------------------------------------------ for the commands */

int command_fail(const struct bearer_error *err)
{
    output_line(stderr, PROGRAM ": %s", err->text);
    return bearer_status_row(err->status)->exit_code;
}

static bool quiet;

void command_say(const char *format, ...)
{
    va_list arguments;

    if (quiet)
        return;
    va_start(arguments, format);
    output_vline(stdout, format, arguments);
    va_end(arguments);
}

struct bearer_holder *command_find(struct bearer_context *context, const char *user, int *exit_out)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    struct bearer_holder *holder;

    if (bearer_context_find(context, user, &holder, &err) != BEARER_OK) {
        *exit_out = command_fail(&err);
        return NULL;
    }
    return holder;
}

const char *command_duration(int64_t seconds, char *out, size_t size)
{
    static const struct {
        int64_t from, unit;
        const char *name;
    } steps[] = { { 2 * 86400, 86400, "days" }, { 2 * 3600, 3600, "h" }, { 120, 60, "min" }, { 0, 1, "s" } };
    size_t i = 0;

    while (seconds < steps[i].from && steps[i].from > 0)
        i++;
    snprintf(out, size, "%lld %s", (long long)(seconds / steps[i].unit), steps[i].name);
    return out;
}

/* ------------------------------------------------------------------ the command line */

struct line {
    struct environment_choice choice;
    struct arguments arguments;
    const struct command *command;
    bool help;
};

static unsigned bit_number(enum argument_bit bit)
{
    unsigned number = 0;

    while (bit >> number != 1)
        number++;
    return number;
}

const char *arguments_value(const struct arguments *arguments, enum argument_bit bit)
{
    return arguments->values[bit_number(bit)];
}

/* False: there is no room for it. */
static bool take_argument(struct arguments *arguments, enum argument_bit bit)
{
    arguments->given |= (unsigned)bit;
    if (bit != ARG_SERVER && bit != ARG_MAILBOX)
        arguments->values[bit_number(bit)] = optarg;
    else if (arguments->list_count < ARG_LIST_MAX)
        arguments->list[arguments->list_count++] = optarg;
    else
        return false;
    return true;
}

/* Reads everything.  Gives EX_OK, or EX_USAGE having told what is wrong; -1 where all was said and done. */
static int read_line(int argc, char **argv, struct line *line)
{
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        switch (option) {
        case OPTION_SYSTEM:
            line->choice.system = true;
            break;
        case OPTION_USER:
            line->choice.user = true;
            break;
        case OPTION_CONF:
            line->choice.conf = optarg;
            break;
        case OPTION_HELP:
            line->help = true;
            break;
        case OPTION_VERSION:
            printf(PROGRAM " %s\n", PACKAGE_VERSION);
            return -1;
        case ':':
            return usage(argv[optind - 1], "this option wants a value");
        case '?':
            return usage(argv[optind - 1], "unknown option");
        default:
            if (!take_argument(&line->arguments, (enum argument_bit)option))
                return usage(argv[optind - 1], "this option was given too often");
        }
    }
    if (optind < argc && (line->command = find_command(argv[optind++])) == NULL)
        return usage(argv[optind - 1], "unknown command");
    if (optind < argc && line->command->wants_url)
        line->arguments.url = argv[optind++];
    if (optind < argc)
        line->arguments.user = argv[optind++];
    return optind < argc ? usage(argv[optind], "one user at a time") : EX_OK;
}

static int check_line(const struct line *line)
{
    const struct command *command = line->command;

    for (const struct option *option = options; option->name != NULL; option++)
        if (option->val < OPTION_SYSTEM && (line->arguments.given & ~(command->accepts | ARG_QUIET | ARG_VERBOSE) & (unsigned)option->val))
            return usage(option->name, "this command does not take the option");
    if (line->choice.system && line->choice.user)
        return usage("", "--system and --user exclude each other");
    if (command->wants_url && line->arguments.url == NULL)
        return usage(command->name, "this command wants a URL, such as imaps://outlook.office365.com, and a user name");
    if (command->user == USER_REQUIRED && line->arguments.user == NULL)
        return usage(command->name, "this command wants a user name");
    return EX_OK;
}

int main(int argc, char **argv)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    struct bearer_context *context;
    struct line line = { .command = NULL };
    int result = read_line(argc, argv, &line);

    prctl(PR_SET_DUMPABLE, 0); /* no core dumps: there will be tokens in memory */
    if (result != EX_OK)
        return result < 0 ? EX_OK : result;
    if (line.command == NULL) {
        help(line.help ? stdout : stderr);
        return line.help ? EX_OK : EX_USAGE;
    }
    if (line.help) {
        command_help(line.command);
        return EX_OK;
    }
    if ((result = check_line(&line)) != EX_OK)
        return result;
    line.choice.verbose = line.arguments.given & ARG_VERBOSE;
    line.choice.quiet = quiet = line.arguments.given & ARG_QUIET;
    if (environment_open(&line.choice, &context, &err) != BEARER_OK)
        return command_fail(&err);
    line.arguments.choice = &line.choice;
    result = line.command->run(context, &line.arguments);
    bearer_context_free(&context);
    if (fflush(stdout) != 0 && result == EX_OK) {
        perror(PROGRAM ": cannot write");
        result = EX_IOERR;
    }
    return result;
}
