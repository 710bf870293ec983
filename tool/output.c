/* output.c - see output.h */
#include "tool/output.h"

#include "credential/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WIDTH 80 /* columns */

void output_wrapped(const char *text, unsigned indent, unsigned column)
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

bool output_wants_colour(void)
{
    const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");

    return isatty(STDOUT_FILENO) && (no_colour == NULL || *no_colour == '\0') &&
           (terminal == NULL || strcmp(terminal, "dumb") != 0);
}
