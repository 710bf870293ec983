/* test_text.c - patterns, host names, similar words, what may be logged. */
#include "credential/text.h"
#include "tests/unit/scratch.h"

#include <stdlib.h>
#include <string.h>

static void names_match_patterns_as_the_table_says(void **state)
{
    static const struct {
        const char *pattern, *name;
        bool matches;
    } table[] = {
        { "bob@contoso.com", "bob@contoso.com", true },
        { "bob@contoso.com", "bob@contoso.co", false },
        { "bob@contoso.com", "bob@contoso.comm", false },
        { "*", "", true },
        { "*", "anything", true },
        { "", "", true },
        { "", "a", false },
        { "?", "", false },
        { "?", "a", true },
        { "?", "ab", false },
        { "*@contoso.com", "bob@contoso.com", true },
        { "*@contoso.com", "@contoso.com", true },
        { "*@contoso.com", "bob@contoso.com.evil.example", false },
        { "*@contoso.com", "bob@evil.example", false },
        { "bob@*", "bob@contoso.com", true },
        { "b?b@*", "bxb@x", true },
        { "*a*b*c", "xxaxxbxxc", true },
        { "*a*b*c", "xxaxxcxxb", false },
        { "*ab", "aab", true },
        { "*.*", "a.b", true },
        { "**", "x", true },
        { "a*", "a", true },
        { "a?*", "a", false },
        { "Bob", "bob", false }, /* both are to be in lower case */
        { "[ab]", "a", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (bearer_text_matches(table[i].pattern, table[i].name) != table[i].matches)
            fail_msg("'%s' and '%s'", table[i].pattern, table[i].name);
}

static void a_pattern_made_to_backtrack_takes_no_time(void **state)
{
    char name[2001], pattern[] = "*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b";

    (void)state;
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_false(bearer_text_matches(pattern, name));
}

static void what_has_a_star_or_a_question_mark_is_a_pattern(void **state)
{
    (void)state;
    assert_true(bearer_text_is_pattern("*@contoso.com"));
    assert_true(bearer_text_is_pattern("b?b"));
    assert_false(bearer_text_is_pattern("bob@contoso.com"));
    assert_false(bearer_text_is_pattern(""));
    assert_false(bearer_text_is_pattern("[a]"));
}

static void hosts_match_as_the_table_says(void **state)
{
    static const struct {
        const char *patterns, *host;
        bool matches;
    } table[] = {
        { "smtp.office365.com", "smtp.office365.com", true },
        { "smtp.office365.com", "SMTP.Office365.COM", true },
        { "SMTP.Office365.COM", "smtp.office365.com", true },
        /* one trailing dot, on either side */
        { "smtp.office365.com", "smtp.office365.com.", true },
        { "smtp.office365.com.", "smtp.office365.com", true },
        { "*.office365.com", "smtp.office365.com.", true },
        { "smtp.office365.com", "smtp.office365.com..", false },
        /* a star is one label or more, whole ones */
        { "*.office365.com", "smtp.office365.com", true },
        { "*.office365.com", "a.b.c.office365.com", true },
        { "*.office365.com", "office365.com", false },
        { "*.office365.com", ".office365.com", false },
        { "*.office365.com", "evil-office365.com", false },
        { "*.office365.com", "evil.example", false },
        { "*.office365.com", "smtp.office365.com.evil.example", false },
        { "smtp*.office365.com", "smtp1.office365.com", false },
        { "*365.com", "office365.com", false },
        { "outlook.*.com", "outlook.office.com", true },
        { "outlook.*.com", "outlook.a.b.com", true },
        { "outlook.*.com", "outlook.com", false },
        { "outlook.*", "outlook.office365.com", true },
        { "outlook.*", "outlook", false },
        { "*.*", "a.b", true },
        { "*.*", "a", false },
        { "*.mx.microsoft", "contoso-com.l-v1.mx.microsoft", true },
        /* a lone star is every name */
        { "*", "smtp.office365.com", true },
        { "*", "relay", true },
        /* addresses and this machine only when written out */
        { "*", "192.0.2.1", false },
        { "*", "2001:db8::1", false },
        { "*", "[2001:db8::1]", false },
        { "*", "::1", false },
        { "*", "127.1", false }, /* what connects to an address without asking DNS is one */
        { "*", "2130706433", false },
        { "*", "0x7f.0.0.1", false },
        { "*", "017700000001.", false },
        { "127.1", "127.1", true },
        { "*.example", "10.example", true },
        /* what is no host name */
        { "*", "a b", false },
        { "*", "a/b", false },
        { "*.example", "a@evil.example", false },
        { "*.example", "a\nb.example", false },
        { "*.example", "a_b-1.example", true },
        { "*", "localhost", false },
        { "*", "LOCALHOST.", false },
        { "*", "mail.localhost", false },
        { "*.localhost", "mail.localhost", false },
        { "*.1", "127.0.0.1", false },
        { "192.0.2.*", "192.0.2.1", false },
        { "192.0.2.1", "192.0.2.1", true },
        { "::1", "::1", true },
        { "localhost", "localhost", true },
        { "localhost", "LocalHost.", true },
        { "mail.localhost", "mail.localhost", true },
        /* no name: a tunnel */
        { "*", NULL, true },
        { "*", "", true },
        { "*.office365.com", NULL, false },
        { "*.office365.com", "", false },
        { "", NULL, false },
        { "", "", false },
        /* lists */
        { "a.example b.example", "b.example", true },
        { "  a.example\t\tb.example  ", "b.example", true },
        { "a.example b.example", "c.example", false },
        { "a.example,b.example", "a.example", false },
        { "a.example *", NULL, true },
        { "", "a.example", false },
        { "   ", "a.example", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (bearer_text_host_in(table[i].patterns, table[i].host) != table[i].matches)
            fail_msg("'%s' and '%s'", table[i].patterns, table[i].host != NULL ? table[i].host : "(none)");
}

static void a_host_name_longer_than_dns_allows_matches_nothing(void **state)
{
    char host[300];

    (void)state;
    memset(host, 'a', sizeof host - 1);
    host[sizeof host - 1] = '\0';
    assert_false(bearer_text_host_in("*", host));
    assert_false(bearer_text_host_in(host, host));
    host[253] = '\0';
    assert_true(bearer_text_host_in("*", host));
    assert_true(bearer_text_host_in(host, host));
}

static void a_pattern_too_long_does_not_hide_the_next(void **state)
{
    char patterns[400];

    (void)state;
    memset(patterns, 'a', 300);
    strcpy(patterns + 300, " b.example");
    assert_true(bearer_text_host_in(patterns, "b.example"));
}

static void distances_are_the_fewest_edits(void **state)
{
    static const struct {
        const char *a, *b;
        size_t distance;
    } table[] = {
        { "", "", 0 },
        { "a", "", 1 },
        { "", "abc", 3 },
        { "abc", "abc", 0 },
        { "abc", "abd", 1 },
        { "kitten", "sitting", 3 },
        { "flaw", "lawn", 2 },
        { "oauth2_tenent", "oauth2_tenant", 1 },
        { "oauth2_clientid", "oauth2_client_id", 1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        assert_int_equal(bearer_text_distance(table[i].a, table[i].b), table[i].distance);
        assert_int_equal(bearer_text_distance(table[i].b, table[i].a), table[i].distance);
    }
}

static void words_over_63_bytes_are_farther_than_any_others(void **state)
{
    char word[301], longest[64];

    (void)state;
    memset(word, 'x', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    memset(longest, 'y', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(bearer_text_distance(longest, ""), 63);
    assert_true(bearer_text_distance(word, "oauth2_tenant") > 63);
    assert_true(bearer_text_distance(word, word) > 63);
}

static void what_is_not_printable_ascii_is_logged_as_a_question_mark(void **state)
{
    static const char text[] = "a\0b\x01"
                               "c\x7f"
                               "d\xc3\xa4\r\n~ ";
    char out[32];

    (void)state;
    bearer_text_printable(out, sizeof out, text, sizeof text - 1);
    assert_string_equal(out, "a?b?c?d????~ ");
}

static void what_is_logged_is_cut_to_size(void **state)
{
    char out[5] = "....";

    (void)state;
    bearer_text_printable(out, sizeof out, "abcdefgh", 8);
    assert_string_equal(out, "abcd");
    bearer_text_printable(out, sizeof out, "ab", 2);
    assert_string_equal(out, "ab");
    bearer_text_printable(out, sizeof out, NULL, 0);
    assert_string_equal(out, "");
    bearer_text_printable(out, 1, "abc", 3);
    assert_string_equal(out, "");
    out[0] = 'x';
    bearer_text_printable(out, 0, "abc", 3);
    assert_int_equal(out[0], 'x');
}

static void control_characters_are_found_wherever_they_stand(void **state)
{
    (void)state;
    assert_false(bearer_text_has_control("", 0));
    assert_false(bearer_text_has_control("abc \x80\xff", 6));
    for (int c = 0; c < 256; c++) {
        const char text[] = { 'a', (char)c };

        assert_int_equal(bearer_text_has_control(text, 2), c < 0x20 || c == 0x7f);
        assert_false(bearer_text_has_control(text, 1));
    }
    for (int around = 0x20; around < 256; around += 0x21) { /* 0x20 0x41 0x62 0x83 ... */
        char text[21];

        memset(text, around, sizeof text);
        for (size_t at = 0; at < sizeof text; at++)
            for (int c = 0; c < 256; c++) {
                text[at] = (char)c;
                if (bearer_text_has_control(text, sizeof text) != (c < 0x20 || c == 0x7f))
                    fail_msg("%#x at %zu among %#x", (unsigned)c, at, (unsigned)around);
                assert_false(bearer_text_has_control(text, at));
                text[at] = (char)around;
            }
    }
}

static void lower_case_is_of_ascii_only(void **state)
{
    char *text = bearer_text_lower("Bob.AZ@[`{\xc3\x84");

    (void)state;
    assert_string_equal(text, "bob.az@[`{\xc3\x84");
    free(text);
}

static void a_word_is_found_among_words_and_not_within_one(void **state)
{
    (void)state;
    assert_true(bearer_text_has_word("smtp lmtp", "smtp"));
    assert_true(bearer_text_has_word(" \tsmtp\tlmtp", "lmtp"));
    assert_false(bearer_text_has_word("smtp lmtp", "smt"));
    assert_false(bearer_text_has_word("smtp lmtp", "smtpd"));
    assert_false(bearer_text_has_word("smtp lmtp", "smtp lmtp"));
    assert_false(bearer_text_has_word("", "smtp"));
    assert_false(bearer_text_has_word("smtp", ""));
}

static void words_are_walked_in_order(void **state)
{
    const char *cursor = " \tone  two\tthree", *word;
    size_t length;

    (void)state;
    assert_true(bearer_text_word(&cursor, &word, &length));
    assert_int_equal(length, 3);
    assert_memory_equal(word, "one", 3);
    assert_true(bearer_text_word(&cursor, &word, &length));
    assert_memory_equal(word, "two", 3);
    assert_true(bearer_text_word(&cursor, &word, &length));
    assert_int_equal(length, 5);
    assert_false(bearer_text_word(&cursor, &word, &length));
    assert_false(bearer_text_word(&cursor, &word, &length));
    cursor = "   ";
    assert_false(bearer_text_word(&cursor, &word, &length));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_match_patterns_as_the_table_says),
        cmocka_unit_test(a_pattern_made_to_backtrack_takes_no_time),
        cmocka_unit_test(what_has_a_star_or_a_question_mark_is_a_pattern),
        cmocka_unit_test(hosts_match_as_the_table_says),
        cmocka_unit_test(a_host_name_longer_than_dns_allows_matches_nothing),
        cmocka_unit_test(a_pattern_too_long_does_not_hide_the_next),
        cmocka_unit_test(distances_are_the_fewest_edits),
        cmocka_unit_test(words_over_63_bytes_are_farther_than_any_others),
        cmocka_unit_test(what_is_not_printable_ascii_is_logged_as_a_question_mark),
        cmocka_unit_test(what_is_logged_is_cut_to_size),
        cmocka_unit_test(control_characters_are_found_wherever_they_stand),
        cmocka_unit_test(lower_case_is_of_ascii_only),
        cmocka_unit_test(a_word_is_found_among_words_and_not_within_one),
        cmocka_unit_test(words_are_walked_in_order),
    };

    return run_group("text", tests);
}
