/* test_descriptor.c - a kept descriptor is high, close-on-exec, and never mistaken for somebody else's. */
#include "credential/descriptor.h"
#include "tests/unit/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_new(const char *name)
{
    int fd = open(scratch_write(name, 0600, name), O_RDWR | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void none_is_kept_at_first(void **state)
{
    struct bearer_descriptor d = BEARER_DESCRIPTOR_INIT;

    (void)state;
    assert_false(bearer_descriptor_valid(&d, NULL));
    bearer_descriptor_close(&d);
    assert_int_equal(d.fd, -1);
}

static void a_kept_descriptor_is_high_and_close_on_exec(void **state)
{
    struct bearer_descriptor d = BEARER_DESCRIPTOR_INIT;
    int low = open("/dev/null", O_RDONLY), fd;

    (void)state;
    assert_true(low >= 0);
    close(low);
    fd = open(scratch_write("file", 0600, "x"), O_RDWR); /* takes the low number, and is not close-on-exec */
    assert_int_equal(fd, low);
    assert_true(bearer_descriptor_keep(&d, fd));
    assert_true(d.fd >= 10);
    assert_true(fcntl(d.fd, F_GETFD) & FD_CLOEXEC);
    if (fd < 10)
        assert_false(is_open(fd));
    assert_true(bearer_descriptor_valid(&d, NULL));
    fd = d.fd;
    bearer_descriptor_close(&d);
    assert_int_equal(d.fd, -1);
    assert_false(is_open(fd));
}

static void links_are_counted(void **state)
{
    struct bearer_descriptor d = BEARER_DESCRIPTOR_INIT;
    nlink_t links = 99;

    (void)state;
    assert_true(bearer_descriptor_keep(&d, open_new("one")));
    assert_true(bearer_descriptor_valid(&d, &links));
    assert_int_equal(links, 1);
    assert_int_equal(link(scratch_path("one"), scratch_path("two")), 0);
    assert_true(bearer_descriptor_valid(&d, &links));
    assert_int_equal(links, 2);
    assert_int_equal(unlink(scratch_path("one")) | unlink(scratch_path("two")), 0);
    assert_true(bearer_descriptor_valid(&d, &links));
    assert_int_equal(links, 0);
    bearer_descriptor_close(&d);
}

static void a_descriptor_that_the_host_closed_is_forgotten(void **state)
{
    struct bearer_descriptor d = BEARER_DESCRIPTOR_INIT;

    (void)state;
    assert_true(bearer_descriptor_keep(&d, open_new("file")));
    close(d.fd);
    assert_false(bearer_descriptor_valid(&d, NULL));
    assert_int_equal(d.fd, -1);
    bearer_descriptor_close(&d);
}

static void a_number_that_the_host_uses_for_a_file_of_its_own_is_never_closed(void **state)
{
    struct bearer_descriptor d = BEARER_DESCRIPTOR_INIT;
    int theirs, number;

    (void)state;
    for (int by_close = 0; by_close < 2; by_close++) {
        assert_true(bearer_descriptor_keep(&d, open_new("ours")));
        number = d.fd;
        theirs = open_new("theirs");
        assert_int_equal(dup2(theirs, number), number);
        if (by_close)
            bearer_descriptor_close(&d);
        else
            assert_false(bearer_descriptor_valid(&d, NULL));
        assert_int_equal(d.fd, -1);
        assert_true(is_open(number));
        close(number);
        close(theirs);
    }
}

static void only_regular_files_are_kept(void **state)
{
    struct bearer_descriptor d = BEARER_DESCRIPTOR_INIT;
    int pipes[2];
    int directory = open(scratch_directory(), O_RDONLY | O_DIRECTORY);

    (void)state;
    assert_true(directory >= 0);
    assert_false(bearer_descriptor_keep(&d, directory));
    assert_int_equal(errno, EBADF);
    assert_int_equal(d.fd, -1);
    assert_false(is_open(directory));
    assert_int_equal(pipe(pipes), 0);
    assert_false(bearer_descriptor_keep(&d, pipes[0]));
    assert_false(is_open(pipes[0]));
    close(pipes[1]);
}

static void what_is_not_open_cannot_be_kept(void **state)
{
    struct bearer_descriptor d = BEARER_DESCRIPTOR_INIT;

    (void)state;
    errno = 0;
    assert_false(bearer_descriptor_keep(&d, 1000000));
    assert_int_equal(errno, EBADF);
    assert_int_equal(d.fd, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_is_kept_at_first),
        scratch_test(a_kept_descriptor_is_high_and_close_on_exec),
        scratch_test(links_are_counted),
        scratch_test(a_descriptor_that_the_host_closed_is_forgotten),
        scratch_test(a_number_that_the_host_uses_for_a_file_of_its_own_is_never_closed),
        scratch_test(only_regular_files_are_kept),
        cmocka_unit_test(what_is_not_open_cannot_be_kept),
    };

    return run_group("descriptor", tests);
}
