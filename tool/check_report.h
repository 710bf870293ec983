/* check_report.h - makes what the doctor says fit to be shown to strangers: sasl-bearer check --report.
 *
 * Whatever names somebody becomes a placeholder that is the same wherever it stands: addresses (user1@domain1), domains and
 * hosts (domain1), GUIDs (id1), IP addresses (address1), and what was named with report_hide().  Of paths remains what every
 * machine has. Left alone is what is public: the hosts of services we know, our own words, versions. */
#ifndef TOOL_CHECK_REPORT_H
#define TOOL_CHECK_REPORT_H

struct report;

/* Gives an empty report, or NULL without memory. */
struct report *report_new(void);
void report_free(struct report **report);

/* Names a text that must not be shown; kind is what its placeholder is called, such as "tenant".  NULL and texts that say
 * nothing (of one or two characters, or a pattern's) are passed over. */
void report_hide(struct report *report, const char *kind, const char *text);

/* Gives the text as it may be shown; NULL without memory.  Free it. */
char *report_show(struct report *report, const char *text);

#endif
