/* output.c - see output.h */
#include "tool/output.h"

#include "credential/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH  80 /* columns; longer lines are hard to read */
#define NARROW 40 /* columns; what is narrower folds lines by itself */
#define COPIED 4  /* blanks before what is to be copied whole */

unsigned output_width(FILE *out)
{
    struct winsize size;

    if (ioctl(fileno(out), TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_col > WIDTH)
        return WIDTH;
    return size.ws_col < NARROW ? NARROW : size.ws_col;
}

/* In UTF-8 only a character's first byte takes a column. */
static unsigned columns_of(const char *text, size_t length)
{
    unsigned columns = 0;

    for (size_t i = 0; i < length; i++)
        columns += ((unsigned char)text[i] & 0xC0) != 0x80;
    return columns;
}

static void wrap(FILE *out, const char *text, unsigned indent, unsigned column)
{
    const unsigned width = output_width(out);
    bool begins = column <= indent; /* a line, which wants no blank */
    const char *word;
    size_t length;

    while (bearer_text_word(&text, &word, &length)) {
        unsigned columns = columns_of(word, length);

        if (!begins && column + 1 + columns > width) {
            fprintf(out, "\n%*s", (int)indent, "");
            column = indent;
            begins = true;
        }
        fprintf(out, "%s%.*s", begins ? "" : " ", (int)length, word);
        column += columns + !begins;
        begins = false;
    }
    fputc('\n', out);
}

void output_wrapped(const char *text, unsigned indent, unsigned column)
{
    wrap(stdout, text, indent, column);
}

/* ------------------------------------------------------------------ lines */

/* Takes the first line off a text: it ends in a NUL then, and the rest is lent. */
static char *cut_line(char *text)
{
    char *end = text + strcspn(text, "\n");

    if (*end == '\0')
        return end;
    *end = '\0';
    return end + 1;
}

/* The columns of what stands before a line's words: blanks, and a number. */
static unsigned hanging(const char *line)
{
    size_t blanks = strspn(line, " "), digits = strspn(line + blanks, "0123456789");
    const char *behind = line + blanks + digits;

    return (unsigned)(blanks + (digits > 0 && strncmp(behind, ". ", 2) == 0 ? digits + 2 : 0));
}

static void put_line(FILE *out, const char *line)
{
    unsigned indent = hanging(line);

    if (strspn(line, " ") >= COPIED) {
        fprintf(out, "%s\n", line);
    } else {
        fprintf(out, "%.*s", (int)indent, line);
        wrap(out, line + indent, indent, indent);
    }
}

void output_text(FILE *out, const char *format, ...)
{
    char *text, *rest;
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    for (char *line = text; *line != '\0'; line = rest) {
        rest = cut_line(line);
        put_line(out, line);
    }
    free(text);
}

/* What the first column holds stays as it is, blanks too. */
static void put_columns(FILE *out, const char *line, unsigned second)
{
    size_t length = strlen(line);

    if (*line != ' ') {
        wrap(out, line, 0, 0);
    } else if (length <= second) {
        fprintf(out, "%s\n", line);
    } else {
        fprintf(out, "%.*s", (int)second, line);
        wrap(out, line + second, second, second);
    }
}

void output_columns(FILE *out, const char *text, unsigned second)
{
    char *copy = strdup(text), *rest;

    for (char *line = copy; line != NULL && *line != '\0'; line = rest) {
        rest = cut_line(line);
        put_columns(out, line, second);
    }
    free(copy);
}

void output_vline(FILE *out, const char *format, va_list arguments)
{
    char *text;

    if (vasprintf(&text, format, arguments) < 0)
        return;
    cut_line(text);
    if (isatty(fileno(out)))
        wrap(out, text, COPIED, 0);
    else
        fprintf(out, "%s\n", text);
    free(text);
}

void output_line(FILE *out, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    output_vline(out, format, arguments);
    va_end(arguments);
}

/* ------------------------------------------------------------------ colour */

bool output_wants_colour(void)
{
    const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");

    return isatty(STDOUT_FILENO) && (no_colour == NULL || *no_colour == '\0') &&
           (terminal == NULL || strcmp(terminal, "dumb") != 0);
}
