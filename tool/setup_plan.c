/* setup_plan.c - see setup_plan.h */
#include "tool/setup_plan.h"

#include "credential/text.h"
#include "tool/instructions.h"
#include "tool/output.h"
#include "tool/terminal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct asking {
    struct setup_plan *plan;
    bool person;       /* there is somebody to ask */
    bool makes_secret; /* the application is to prove itself with one that somebody types */
    char missing[256]; /* options that somebody would have been asked for */
};

static enum bearer_status set(char **slot, const char *value, struct bearer_error *err)
{
    *slot = strdup(value);
    return *slot != NULL ? BEARER_OK : bearer_fail(err, BEARER_NOMEM, "out of memory");
}

/* ------------------------------------------------------------------ asking */

static enum bearer_status give_up(struct bearer_error *err)
{
    return bearer_fail(err, BEARER_USAGE, "given up; nothing was changed");
}

/* Gives what somebody types, or the usual answer where they type nothing; both may be nothing: "". */
static enum bearer_status ask_line(const char *question, const char *usual, char **answer_out, struct bearer_error *err)
{
    char *line = NULL, *start;
    size_t size = 0;
    ssize_t length;

    *answer_out = NULL;
    fflush(stdout);
    fprintf(stderr, usual != NULL ? "%s [%s]: " : "%s: ", question, usual);
    length = getline(&line, &size, stdin);
    if (length > 0) {
        while (length > 0 && isspace((unsigned char)line[length - 1]))
            line[--length] = '\0';
        start = line + strspn(line, " \t");
        *answer_out = strdup(*start == '\0' && usual != NULL ? usual : start);
    }
    free(line);
    if (length < 0)
        return give_up(err);
    return *answer_out != NULL ? BEARER_OK : bearer_fail(err, BEARER_NOMEM, "out of memory");
}

/* Whether an answer is good; tells why not. */
struct question;
typedef enum bearer_status check_answer(const struct question *question, const char *answer, struct bearer_error *err);

struct question {
    enum argument_bit bit;    /* the option that answers it; 0 = none */
    enum bearer_option_id id; /* what it becomes */
    check_answer *check;
    const char *about;                   /* said before it; NULL = nothing */
    const char *words;                   /* few: the answer stands behind them, on the same line */
    const char *unlike;                  /* the answer for which it is often mistaken; NULL = none */
    const char *usual;                   /* the answer if there is none; NULL = it must be answered, "" = it need not be */
    const char *missing;                 /* what to call it if nobody can be asked */
    void (*help)(struct asking *asking); /* for those who have no answer yet; NULL = none */
};

static enum bearer_status ask(struct asking *asking, const struct question *question, char **slot, struct bearer_error *err)
{
    const char *shown = question->usual != NULL && *question->usual != '\0' ? question->usual : NULL;

    if (question->about != NULL)
        output_text(stderr, "%s\n", question->about);
    for (;;) {
        struct bearer_error why = BEARER_ERROR_INIT;
        enum bearer_status st = ask_line(question->words, shown, slot, err);

        if (st != BEARER_OK || (**slot == '\0' && question->usual != NULL))
            return st;
        if (**slot == '\0' && question->help != NULL)
            question->help(asking);
        else if (**slot == '\0')
            output_text(stderr, "  an answer is wanted\n");
        else if (question->check(question, *slot, &why) == BEARER_OK)
            return BEARER_OK;
        else
            output_text(stderr, "  %s\n", why.text);
        free(*slot);
        *slot = NULL;
    }
}

/* Two ways to go on: what they are called on the command line, and in words. */
struct choice {
    const char *words;
    const char *names[2];
    const char *ways[2];
};

/* The number of what is meant, which may be cut short; -1 = none. */
static int find_choice(const struct choice *choice, const char *answer)
{
    for (int i = 0; i < 2; i++)
        if ((answer[0] == '1' + i && answer[1] == '\0') || strncasecmp(choice->names[i], answer, strlen(answer)) == 0)
            return i;
    return -1;
}

/* Gives 0 or 1; the usual one where nothing is typed. */
static enum bearer_status ask_choice(const struct choice *choice, int usual, int *chosen_out, struct bearer_error *err)
{
    char *answer = NULL;
    enum bearer_status st;

    output_text(stderr, "%s\n  1. %s (%s)\n  2. %s (%s)\n", choice->words, choice->ways[0], choice->names[0],
                choice->ways[1], choice->names[1]);
    *chosen_out = -1;
    do {
        st = ask_line("1 or 2", usual == 0 ? "1" : "2", &answer, err);
        if (st == BEARER_OK && (*chosen_out = find_choice(choice, answer)) < 0)
            output_text(stderr, "  '%s' is none of them: 1 is %s, 2 is %s\n", answer, choice->names[0], choice->names[1]);
        free(answer);
    } while (st == BEARER_OK && *chosen_out < 0);
    return st;
}

static void note_missing(struct asking *asking, const char *what)
{
    size_t length = strlen(asking->missing);

    snprintf(asking->missing + length, sizeof asking->missing - length, "%s%s", length > 0 ? ", " : "", what);
}

/* From the command line, else from whoever is there, else the usual. */
static enum bearer_status settle(struct asking *asking, const struct question *question, char **slot,
                                 struct bearer_error *err)
{
    const char *given = question->bit != 0 ? arguments_value(asking->plan->arguments, question->bit) : NULL;
    enum bearer_status st = BEARER_OK;

    if (given == NULL && asking->person)
        st = ask(asking, question, slot, err);
    else if (given == NULL && question->usual == NULL)
        note_missing(asking, question->missing);
    else
        st = set(slot, given != NULL ? given : question->usual, err);
    if (st == BEARER_OK && *slot != NULL && **slot == '\0') {
        free(*slot); /* no answer was one */
        *slot = NULL;
    }
    return st;
}

bool setup_plan_confirm(const struct setup_plan *plan, const char *question)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    char *answer;
    bool yes;

    if (plan->arguments->given & ARG_YES)
        return true;
    if (ask_line(question, "y", &answer, &err) != BEARER_OK)
        return false;
    yes = *answer == 'y' || *answer == 'Y';
    free(answer);
    return yes;
}

/* ------------------------------------------------------------------ checks */

static enum bearer_status check_value(enum bearer_option_id id, const char *value, struct bearer_error *err)
{
    return bearer_option_check(id, value, err) == BEARER_OK ? BEARER_OK : (err->status = BEARER_USAGE);
}

static enum bearer_status check_option(const struct question *question, const char *answer, struct bearer_error *err)
{
    return check_value(question->id, answer, err);
}

enum bearer_status setup_plan_check_values(const struct arguments *arguments, struct bearer_error *err)
{
    static const struct {
        enum argument_bit bit;
        enum bearer_option_id id;
    } values[] = {
        { ARG_TENANT, OPT_TENANT },
        { ARG_CLIENT_ID, OPT_CLIENT_ID },
        { ARG_CLOUD, OPT_CLOUD },
        { ARG_SECRET_EXPIRES, OPT_CLIENT_SECRET_EXPIRES },
        { ARG_CERTIFICATE, OPT_CLIENT_CERTIFICATE },
        { ARG_MAKE_CERTIFICATE, OPT_CLIENT_CERTIFICATE },
        { ARG_SECRET_FILE, OPT_CLIENT_SECRET_FILE },
    };
    enum bearer_status st = BEARER_OK;

    for (size_t i = 0; i < sizeof values / sizeof values[0] && st == BEARER_OK; i++) {
        const char *value = arguments_value(arguments, values[i].bit);

        if (value != NULL && !(values[i].bit == ARG_SECRET_FILE && strcmp(value, "-") == 0))
            st = check_value(values[i].id, value, err);
    }
    return st;
}

/* A name that is none may be anything. */
static enum bearer_status refuse_name(const char *name, const char *why, struct bearer_error *err)
{
    char shown[128];

    bearer_text_printable(shown, sizeof shown, name, strlen(name));
    return bearer_fail(err, BEARER_USAGE, "'%s' %s", shown, why);
}

static enum bearer_status check_address(const char *address, struct bearer_error *err)
{
    const char *at = strchr(address, '@');

    if (at == NULL || at == address || at[1] == '\0' || strchr(at + 1, '@') != NULL || bearer_text_is_pattern(address) ||
        strpbrk(address, " \t[]#\"<>,;:") != NULL || bearer_text_has_control(address, strlen(address)))
        return refuse_name(address, "is no mailbox; one reads user@domain", err);
    return BEARER_OK;
}

static enum bearer_status check_addresses(const struct question *question, const char *answer, struct bearer_error *err)
{
    enum bearer_status st = BEARER_OK;
    const char *word;
    size_t length;

    (void)question;
    while (st == BEARER_OK && bearer_text_word(&answer, &word, &length)) {
        char *address = strndup(word, length);

        st = address != NULL ? check_address(address, err) : bearer_fail(err, BEARER_NOMEM, "out of memory");
        free(address);
    }
    return st;
}

static enum bearer_status check_name(const struct question *question, const char *name, struct bearer_error *err)
{
    (void)question;
    if (*name == '\0' || strpbrk(name, " \t[]#\"") != NULL || bearer_text_has_control(name, strlen(name)))
        return refuse_name(name, "is no user name; it reads user@domain, or *@domain for all of a domain", err);
    return BEARER_OK;
}

/* Exchange takes whatever it is told: this is the one place where the worst slips can be seen. */
static enum bearer_status check_object_id(const struct question *question, const char *answer, struct bearer_error *err)
{
    if (strpbrk(answer, " \t'\"") != NULL || bearer_text_has_control(answer, strlen(answer)))
        return refuse_name(answer, "is no Object ID, which is one word", err);
    if (question->unlike != NULL && strcasecmp(answer, question->unlike) == 0)
        return bearer_fail(err, BEARER_USAGE, "that is the Application (client) ID; the Object ID is another one");
    return BEARER_OK;
}

/* The usual slip: the secret's ID stands beside its Value, and looks like this. */
static bool is_guid(const char *text)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

    for (size_t i = 0; i < sizeof form; i++)
        if (form[i] == 'x' ? !isxdigit((unsigned char)text[i]) : text[i] != form[i])
            return false;
    return true;
}

static enum bearer_status check_secret(const char *text, size_t length, struct bearer_error *err)
{
    if (length == 0 || length > SETUP_SECRET_MAX || bearer_text_has_control(text, length))
        return bearer_fail(err, BEARER_USAGE, "that is no client secret: it is one line of at most %d bytes",
                           SETUP_SECRET_MAX);
    if (is_guid(text))
        return bearer_fail(err, BEARER_USAGE, "that is a GUID, which is the secret's ID: its Value is wanted");
    return BEARER_OK;
}

/* ------------------------------------------------------------------ who */

static enum bearer_status settle_kind(struct asking *asking, struct bearer_error *err)
{
    static const struct choice kinds = {
        .words = "Who logs in?",
        .names = { "app-only", "delegated" },
        .ways = { "an application on its own, for servers", "a person, who signs in with a browser" },
    };
    struct setup_plan *plan = asking->plan;
    unsigned given = plan->arguments->given & (ARG_DELEGATED | ARG_APP_ONLY);
    enum bearer_status st = BEARER_OK;
    int chosen = given == ARG_APP_ONLY ? 0 : 1;

    if (given == (ARG_DELEGATED | ARG_APP_ONLY))
        return bearer_fail(err, BEARER_USAGE, "--delegated and --app-only exclude each other");
    if (given == 0 && asking->person)
        st = ask_choice(&kinds, plan->level == BEARER_LEVEL_SYSTEM ? 0 : 1, &chosen, err);
    else if (given == 0)
        note_missing(asking, "--delegated or --app-only");
    plan->app_only = chosen == 0;
    return st;
}

static enum bearer_status add_mailbox(struct setup_plan *plan, const char *address, size_t length, struct bearer_error *err)
{
    char *copy = strndup(address, length);
    enum bearer_status st = copy != NULL ? check_address(copy, err) : bearer_fail(err, BEARER_NOMEM, "out of memory");

    for (unsigned i = 0; i < plan->mailbox_count && st == BEARER_OK; i++)
        if (strcasecmp(plan->mailboxes[i], copy) == 0) {
            free(copy);
            return BEARER_OK;
        }
    if (st == BEARER_OK && plan->mailbox_count > ARG_LIST_MAX)
        st = bearer_fail(err, BEARER_USAGE, "more than %d mailboxes; run setup again with the others", ARG_LIST_MAX + 1);
    if (st == BEARER_OK)
        plan->mailboxes[plan->mailbox_count++] = copy;
    else
        free(copy);
    return st;
}

enum bearer_status setup_plan_take_mailboxes(struct setup_plan *plan, struct bearer_error *err)
{
    const struct arguments *arguments = plan->arguments;
    enum bearer_status st = BEARER_OK;

    if (plan->app_only && arguments->user != NULL && !bearer_text_is_pattern(arguments->user))
        st = add_mailbox(plan, arguments->user, strlen(arguments->user), err);
    for (unsigned i = 0; i < arguments->list_count && st == BEARER_OK; i++)
        st = add_mailbox(plan, arguments->list[i], strlen(arguments->list[i]), err);
    return st;
}

static enum bearer_status ask_mailboxes(struct asking *asking, const char *about, const char *usual,
                                        struct bearer_error *err)
{
    const struct question question = {
        .check = check_addresses,
        .about = about,
        .words = "Mailboxes",
        .usual = usual,
        .missing = "--mailbox",
    };
    char *answer = NULL;
    const char *cursor, *word;
    enum bearer_status st = settle(asking, &question, &answer, err);
    size_t length;

    cursor = answer != NULL ? answer : "";
    while (st == BEARER_OK && bearer_text_word(&cursor, &word, &length))
        st = add_mailbox(asking->plan, word, length, err);
    free(answer);
    return st;
}

/* One section serves all of a domain: permissions decide which mailboxes it really opens. */
static enum bearer_status section_of_domain(struct setup_plan *plan, struct bearer_error *err)
{
    const char *domain = strchr(plan->mailboxes[0], '@');

    for (unsigned i = 1; i < plan->mailbox_count; i++)
        if (strcasecmp(strchr(plan->mailboxes[i], '@'), domain) != 0)
            return bearer_fail(err, BEARER_USAGE,
                               "'%s' and '%s' are in two domains: run setup for each, or name one pattern for both",
                               plan->mailboxes[0], plan->mailboxes[i]);
    plan->section = bearer_text_format("*%s", domain);
    return plan->section != NULL ? BEARER_OK : bearer_fail(err, BEARER_NOMEM, "out of memory");
}

static enum bearer_status check_covered(const struct setup_plan *plan, struct bearer_error *err)
{
    enum bearer_status st = BEARER_OK;

    for (unsigned i = 0; i < plan->mailbox_count && st == BEARER_OK; i++) {
        char *name = bearer_text_lower(plan->mailboxes[i]);

        if (name == NULL)
            st = bearer_fail(err, BEARER_NOMEM, "out of memory");
        else if (!bearer_text_matches(plan->section, name))
            st = bearer_fail(err, BEARER_USAGE, "mailbox '%s' is not covered by '%s': name a pattern that covers all", name,
                             plan->section);
        free(name);
    }
    return st;
}

static enum bearer_status settle_application(struct asking *asking, struct bearer_error *err)
{
    struct setup_plan *plan = asking->plan;
    enum bearer_status st = BEARER_OK;

    if (plan->mailbox_count == 0 && plan->arguments->user == NULL)
        st = ask_mailboxes(asking, "Mailboxes that it may use, with blanks between them.", NULL, err);
    if (st == BEARER_OK && plan->arguments->user != NULL)
        st = set(&plan->section, plan->arguments->user, err);
    else if (st == BEARER_OK && plan->mailbox_count > 0)
        st = section_of_domain(plan, err);
    return st;
}

static enum bearer_status settle_person(struct asking *asking, struct bearer_error *err)
{
    static const struct question question = {
        .check = check_name,
        .about = "Who signs in: user@domain, or *@domain for everybody there.",
        .words = "User",
        .missing = "USER",
    };
    struct setup_plan *plan = asking->plan;
    enum bearer_status st = BEARER_OK;

    if (plan->arguments->user != NULL)
        st = set(&plan->section, plan->arguments->user, err);
    else
        st = settle(asking, &question, &plan->section, err);
    if (st == BEARER_OK && plan->section != NULL && !bearer_text_is_pattern(plan->section) && plan->mailbox_count == 0)
        st = ask_mailboxes(asking, "Shared mailboxes that they open, with blanks between them; Enter if there are none.", "",
                           err);
    if (st == BEARER_OK && plan->section != NULL && bearer_text_is_pattern(plan->section) && plan->mailbox_count > 0)
        st = bearer_fail(err, BEARER_USAGE, "a shared mailbox is opened by one person: name them, not '%s'", plan->section);
    return st;
}

static enum bearer_status settle_section(struct asking *asking, struct bearer_error *err)
{
    struct setup_plan *plan = asking->plan;
    enum bearer_status st = setup_plan_take_mailboxes(plan, err);

    if (st == BEARER_OK && plan->arguments->user != NULL)
        st = check_name(NULL, plan->arguments->user, err);
    if (st == BEARER_OK)
        st = plan->app_only ? settle_application(asking, err) : settle_person(asking, err);
    if (st != BEARER_OK || plan->section == NULL)
        return st;
    bearer_text_to_lower(plan->section);
    return plan->app_only ? check_covered(plan, err) : BEARER_OK;
}

/* ------------------------------------------------------------------ the registration */

static void show_registration(struct asking *asking)
{
    struct setup_plan *plan = asking->plan;
    const struct instructions about = {
        .app_only = plan->app_only,
        .cloud = plan->values[OPT_CLOUD],
        .tenant = plan->values[OPT_TENANT],
        .object_id = arguments_value(plan->arguments, ARG_OBJECT_ID),
        .has_credential = !asking->makes_secret,
    };
    char *steps = instructions_registration(&about);

    if (steps != NULL)
        output_text(stderr, "\n%s\n", steps);
    plan->told = steps != NULL;
    free(steps);
}

/* A domain names its tenant, as a rule. */
static const char *usual_tenant(const struct setup_plan *plan)
{
    const char *domain = plan->section != NULL ? strchr(plan->section, '@') : NULL;

    if (domain == NULL && plan->mailbox_count > 0)
        domain = strchr(plan->mailboxes[0], '@');
    return domain != NULL && domain[1] != '\0' && !bearer_text_is_pattern(domain) ? domain + 1 : NULL;
}

static enum bearer_status settle_registration(struct asking *asking, struct bearer_error *err)
{
    struct setup_plan *plan = asking->plan;
    const struct question tenant = {
        .bit = ARG_TENANT,
        .id = OPT_TENANT,
        .check = check_option,
        .about = "Directory (tenant) ID, or a domain of the tenant's.",
        .words = "Tenant",
        .usual = usual_tenant(plan),
        .missing = "--tenant",
    };
    static const struct question client_id = {
        .bit = ARG_CLIENT_ID,
        .id = OPT_CLIENT_ID,
        .check = check_option,
        .about = "Application (client) ID. Enter alone tells how to get one.",
        .words = "Client ID",
        .missing = "--client-id",
        .help = show_registration,
    };
    const char *cloud = arguments_value(plan->arguments, ARG_CLOUD);
    enum bearer_status st;

    st = cloud != NULL ? set(&plan->values[OPT_CLOUD], cloud, err) : BEARER_OK;
    if (st == BEARER_OK)
        st = settle(asking, &tenant, &plan->values[OPT_TENANT], err);
    return st == BEARER_OK ? settle(asking, &client_id, &plan->values[OPT_CLIENT_ID], err) : st;
}

/* ------------------------------------------------------------------ the credential */

/* Gives a path beside sasl.conf, named after the section: contoso.com.secret for *@contoso.com. */
static char *path_beside(const struct setup_plan *plan, const char *ending)
{
    const char *slash = strrchr(plan->file, '/'), *name = plan->section != NULL ? plan->section : "";
    char *path;

    if (strncmp(name, "*@", 2) == 0)
        name += 2;
    path = bearer_text_format("%.*s%s%s", slash != NULL ? (int)(slash + 1 - plan->file) : 0, plan->file, name, ending);
    for (char *p = path != NULL ? path + (slash != NULL ? slash + 1 - plan->file : 0) : NULL; p != NULL && *p != '\0'; p++)
        if (!isalnum((unsigned char)*p) && strchr("@._-", *p) == NULL)
            *p = '_';
    return path;
}

/* Has somebody type a line, or standard input bring one. */
static bool hear_secret(struct terminal *terminal)
{
    enum terminal_event event;

    if (isatty(STDIN_FILENO)) {
        fflush(stdout);
        fprintf(stderr, "Client secret (its Value; not shown): ");
    }
    terminal_begin(terminal);
    while ((event = terminal_wait(terminal, NULL, 0, 60000)) == TERMINAL_NOTHING)
        ;
    if (terminal->quiet)
        fputc('\n', stderr);
    return event == TERMINAL_LINE;
}

static enum bearer_status read_secret(struct asking *asking, struct bearer_error *err)
{
    struct terminal terminal;
    enum bearer_status st;
    bool again;

    do {
        struct bearer_error why = BEARER_ERROR_INIT;
        bool heard = hear_secret(&terminal);

        st = heard ? check_secret(terminal_line(&terminal), terminal.length, &why) : give_up(&why);
        if (st == BEARER_OK)
            st = bearer_secret_set(&asking->plan->secret, terminal_line(&terminal), terminal.length, &why);
        terminal_end(&terminal);
        again = heard && st == BEARER_USAGE && asking->person;
        if (again)
            output_text(stderr, "  %s\n", why.text);
        else if (st != BEARER_OK)
            bearer_fail(err, st, "%s", why.text);
    } while (again);
    return st;
}

/* A secret that is typed, or comes from standard input, is kept beside sasl.conf. */
static enum bearer_status take_secret(struct asking *asking, struct bearer_error *err)
{
    enum bearer_status st = read_secret(asking, err);
    char **slot = &asking->plan->values[OPT_CLIENT_SECRET_FILE];

    if (st == BEARER_OK && (*slot = path_beside(asking->plan, ".secret")) == NULL)
        st = bearer_fail(err, BEARER_NOMEM, "out of memory");
    return st;
}

/* One that is not there yet is made. */
static enum bearer_status ask_certificate(struct asking *asking, struct bearer_error *err)
{
    struct setup_plan *plan = asking->plan;
    char *usual = path_beside(plan, ".pem"), **slot = &plan->values[OPT_CLIENT_CERTIFICATE];
    const struct question question = {
        .id = OPT_CLIENT_CERTIFICATE,
        .check = check_option,
        .about = "File that holds certificate and key. They are made if it is not there.",
        .words = "File",
        .usual = usual,
    };
    enum bearer_status st =
        usual != NULL ? settle(asking, &question, slot, err) : bearer_fail(err, BEARER_NOMEM, "out of memory");

    plan->makes_certificate = st == BEARER_OK && (*slot)[0] == '/' && access(*slot, F_OK) != 0;
    free(usual);
    return st;
}

/* Comes before the registration, whose steps depend on it. */
static enum bearer_status settle_credential_kind(struct asking *asking, struct bearer_error *err)
{
    static const struct choice credentials = {
        .words = "How does it prove itself?",
        .names = { "certificate", "secret" },
        .ways = { "with a certificate, which can be made here", "with a client secret, which Entra makes" },
    };
    const struct arguments *arguments = asking->plan->arguments;
    const char *secret = arguments_value(arguments, ARG_SECRET_FILE);
    unsigned given = arguments->given & (ARG_SECRET_FILE | ARG_CERTIFICATE | ARG_MAKE_CERTIFICATE);
    enum bearer_status st = BEARER_OK;
    int chosen = 0;

    if ((given & (given - 1)) != 0)
        return bearer_fail(err, BEARER_USAGE, "--secret-file, --certificate and --make-certificate exclude each other");
    if (given == 0 && asking->plan->app_only && asking->person)
        st = ask_choice(&credentials, 0, &chosen, err);
    asking->makes_secret = chosen == 1 || (secret != NULL && strcmp(secret, "-") == 0);
    return st;
}

static enum bearer_status settle_credential(struct asking *asking, struct bearer_error *err)
{
    struct setup_plan *plan = asking->plan;
    const char *certificate = arguments_value(plan->arguments, ARG_CERTIFICATE);
    const char *made = arguments_value(plan->arguments, ARG_MAKE_CERTIFICATE);
    const char *secret = arguments_value(plan->arguments, ARG_SECRET_FILE);

    plan->makes_certificate = made != NULL;
    if (certificate != NULL || made != NULL)
        return set(&plan->values[OPT_CLIENT_CERTIFICATE], made != NULL ? made : certificate, err);
    if (asking->makes_secret)
        return take_secret(asking, err);
    if (secret != NULL)
        return set(&plan->values[OPT_CLIENT_SECRET_FILE], secret, err);
    if (plan->app_only && asking->person)
        return ask_certificate(asking, err);
    if (plan->app_only)
        note_missing(asking, "--secret-file, --certificate or --make-certificate");
    return BEARER_OK;
}

/* Asked only where it is not known by itself. */
static enum bearer_status settle_end(struct asking *asking, struct bearer_error *err)
{
    static const struct question question = {
        .bit = ARG_SECRET_EXPIRES,
        .id = OPT_CLIENT_SECRET_EXPIRES,
        .check = check_option,
        .about = "Day on which the secret ends, for warnings before; Enter if you do not know.",
        .words = "YYYY-MM-DD",
        .usual = "",
    };
    struct setup_plan *plan = asking->plan;

    if (plan->values[OPT_CLIENT_SECRET_FILE] != NULL)
        return settle(asking, &question, &plan->values[OPT_CLIENT_SECRET_EXPIRES], err);
    if (plan->arguments->given & ARG_SECRET_EXPIRES)
        return bearer_fail(err, BEARER_USAGE, "--secret-expires is about a secret, and there is none");
    return BEARER_OK;
}

/* What Exchange knows the application by. */
static enum bearer_status settle_object_id(struct asking *asking, struct bearer_error *err)
{
    const struct question question = {
        .bit = ARG_OBJECT_ID,
        .check = check_object_id,
        .about = "Object ID of the application under Enterprise applications, NOT the one under App registrations. "
                 "Enter if you do not have it yet.",
        .words = "Object ID",
        .unlike = asking->plan->values[OPT_CLIENT_ID],
        .usual = "",
    };
    const char *given = arguments_value(asking->plan->arguments, ARG_OBJECT_ID);

    if (!asking->plan->app_only && given == NULL)
        return BEARER_OK;
    if (given != NULL && check_object_id(&question, given, err) != BEARER_OK)
        return err->status;
    return settle(asking, &question, &asking->plan->object_id, err);
}

/* ------------------------------------------------------------------ the plan */

enum bearer_status setup_plan_make(struct setup_plan *plan, struct bearer_error *err)
{
    const struct arguments *arguments = plan->arguments;
    struct asking asking = { .plan = plan, .person = isatty(STDIN_FILENO) && !(arguments->given & ARG_YES) };
    enum bearer_status st;

    setvbuf(stdin, NULL, _IONBF, 0); /* what follows an answer is for the next question */
    if ((st = setup_plan_check_values(arguments, err)) != BEARER_OK || (st = settle_kind(&asking, err)) != BEARER_OK ||
        (st = settle_section(&asking, err)) != BEARER_OK || (st = settle_credential_kind(&asking, err)) != BEARER_OK ||
        (st = settle_registration(&asking, err)) != BEARER_OK || (st = settle_credential(&asking, err)) != BEARER_OK ||
        (st = settle_end(&asking, err)) != BEARER_OK || (st = settle_object_id(&asking, err)) != BEARER_OK)
        return st;
    if (!asking.person && !(arguments->given & ARG_YES))
        note_missing(&asking, "--yes");
    if (asking.missing[0] != '\0')
        return bearer_fail(err, BEARER_USAGE, "nobody can be asked here, and this is missing: %s", asking.missing);
    return set(&plan->values[OPT_PROVIDER], plan->app_only ? "app_only" : "delegated", err);
}

void setup_plan_clear(struct setup_plan *plan)
{
    bearer_secret_clear(&plan->secret);
    for (int id = 0; id < OPT_COUNT; id++)
        free(plan->values[id]);
    for (unsigned i = 0; i < plan->mailbox_count; i++)
        free(plan->mailboxes[i]);
    free(plan->section);
    free(plan->object_id);
}
