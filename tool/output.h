/* output.h - how texts look on a terminal: no wider than a page, coloured where eyes see it. */
#ifndef TOOL_OUTPUT_H
#define TOOL_OUTPUT_H

#include <stdbool.h>

/* Prints a text and a newline, wrapped at 80 columns: it begins in this column, its other lines after an indent.  A word that is
 * longer stands out. */
void output_wrapped(const char *text, unsigned indent, unsigned column);

/* Whether standard output is a terminal that somebody looks at who has not said no to colour (no-color.org). */
bool output_wants_colour(void);

#endif
