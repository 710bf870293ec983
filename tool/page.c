/* page.c - see page.h */
#include "tool/page.h"

#include "credential/text.h"

#include <stdio.h>
#include <stdlib.h>

static const char form[] =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\">\n"
    "<head>\n"
    "<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<title>%s</title>\n"
    "<style>\n"
    ":root { color-scheme: light dark }\n"
    "body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 18vh auto 0; padding: 0 1.5rem }\n"
    "h1 { font-size: 1.6rem; font-weight: 600; overflow-wrap: anywhere }\n"
    "p { overflow-wrap: anywhere }\n"
    "</style>\n"
    "</head>\n"
    "<body>\n"
    "<h1>%s</h1>\n"
    "%s"
    "</body>\n"
    "</html>\n";

/* Gives a text with what HTML would take for its own written out. */
static char *escape(const char *text)
{
    char *escaped = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&escaped, &size);

    if (out == NULL)
        return NULL;
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '&':
            fputs("&amp;", out);
            break;
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        case '\'':
            fputs("&#39;", out);
            break;
        default:
            fputc(*text, out);
        }
    }
    if (fclose(out) != 0) {
        free(escaped);
        return NULL;
    }
    return escaped;
}

char *page_signed_in(const char *user)
{
    char *name = escape(user), *heading = NULL, *page = NULL;

    if (name != NULL && (heading = bearer_text_format("You are signed in as %s", name)) != NULL)
        page =
            bearer_text_format(form, "Signed in", heading, "<p>You may close this tab and go back to the terminal.</p>\n");
    free(heading);
    free(name);
    return page;
}

char *page_failed(const char *reason)
{
    char *text = escape(reason), *body = NULL, *page = NULL;

    if (text != NULL &&
        (body = bearer_text_format("<p>Reason: %s.</p>\n<p>You may close this tab. The terminal says the same.</p>\n",
                                   text)) != NULL)
        page = bearer_text_format(form, "Not signed in", "You are not signed in", body);
    free(body);
    free(text);
    return page;
}
