/* output.h - how texts look on a terminal: no wider than a page, coloured where eyes see it. */
#ifndef TOOL_OUTPUT_H
#define TOOL_OUTPUT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

/* How many columns a line may have there: 80, or what a narrower terminal has. */
unsigned output_width(FILE *out);

/* Prints a text and a newline, wrapped to that width: it begins in this column, its other lines after an indent.  A word
 * that is longer stands out. */
void output_wrapped(const char *text, unsigned indent, unsigned column);

/* Prints lines, each wrapped: what is left of one stands below its beginning, behind a number such as "1. ".  A line behind
 * four blanks or more is to be copied, and stays whole. */
void output_text(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same where a text stands in the second of two columns, as in --help: a line that begins with a blank goes on there. */
void output_columns(FILE *out, const char *text, unsigned second);

/* Prints one line, wrapped on a terminal; programs get it whole.  A newline at its end may be missing. */
void output_line(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
void output_vline(FILE *out, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));

/* Whether standard output is a terminal that somebody looks at who has not said no to colour (no-color.org). */
bool output_wants_colour(void);

#endif
