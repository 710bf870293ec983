/* test_guard.c - a lock that survives fork and longjmp. */
#include "credential/guard.h"
#include "tests/unit/scratch.h"

#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 8
#define ROUNDS  2000

/* What threads work on.  The counter is plain on purpose: only the guard keeps it right. */
struct work {
    struct bearer_guard guard;
    long counter;
    int inside;
};

static void *count_up(void *data)
{
    struct work *work = data;

    for (int i = 0; i < ROUNDS; i++) {
        long seen;

        bearer_guard_lock(&work->guard);
        work->inside++;
        seen = work->counter;
        if (i % 100 == 0)
            sched_yield();
        work->counter = seen + (work->inside == 1);
        work->inside--;
        bearer_guard_unlock(&work->guard);
    }
    return NULL;
}

static void one_thread_at_a_time_is_inside(void **state)
{
    struct work work = { BEARER_GUARD_INIT, 0, 0 };
    pthread_t threads[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, &work), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(work.counter, THREADS * ROUNDS);
}

static void *try_it(void *data)
{
    struct bearer_guard *guard = data;

    return bearer_guard_try(guard) ? guard : NULL;
}

/* What another thread gets that tries to take it. */
static bool another_thread_gets(struct bearer_guard *guard)
{
    pthread_t thread;
    void *result;

    assert_int_equal(pthread_create(&thread, NULL, try_it, guard), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    return result != NULL;
}

static void another_thread_does_not_get_what_is_held(void **state)
{
    struct bearer_guard guard = BEARER_GUARD_INIT;

    (void)state;
    assert_false(bearer_guard_held(&guard));
    assert_true(bearer_guard_try(&guard));
    assert_true(bearer_guard_held(&guard));
    assert_false(another_thread_gets(&guard));
    bearer_guard_unlock(&guard);
    assert_false(bearer_guard_held(&guard));
    assert_true(another_thread_gets(&guard));
    assert_true(bearer_guard_held(&guard)); /* by whichever thread */
}

static void a_child_gets_what_its_parent_held_when_it_forked(void **state)
{
    struct bearer_guard guard = BEARER_GUARD_INIT;
    int status;
    pid_t child;

    (void)state;
    bearer_guard_lock(&guard);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (bearer_guard_held(&guard))
            _exit(2);
        bearer_guard_lock(&guard);
        bearer_guard_unlock(&guard);
        _exit(bearer_guard_try(&guard) ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_false(another_thread_gets(&guard)); /* in the parent it is still held */
    bearer_guard_unlock(&guard);
}

static void *hold_until_told(void *data)
{
    struct work *work = data;

    bearer_guard_lock(&work->guard);
    __atomic_store_n(&work->inside, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&work->inside, __ATOMIC_SEQ_CST) != 2)
        usleep(1000);
    bearer_guard_unlock(&work->guard);
    return NULL;
}

static void a_child_gets_what_another_thread_of_its_parent_held(void **state)
{
    struct work work = { BEARER_GUARD_INIT, 0, 0 };
    pthread_t thread;
    int status;
    pid_t child;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, hold_until_told, &work), 0);
    while (__atomic_load_n(&work.inside, __ATOMIC_SEQ_CST) != 1)
        usleep(1000);
    assert_false(bearer_guard_try(&work.guard));
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(bearer_guard_try(&work.guard) ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    __atomic_store_n(&work.inside, 2, __ATOMIC_SEQ_CST);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(bearer_guard_try(&work.guard));
}

static void a_thread_that_left_by_longjmp_gets_it_again(void **state)
{
    struct bearer_guard guard = BEARER_GUARD_INIT;
    jmp_buf back;

    (void)state;
    if (setjmp(back) == 0) {
        bearer_guard_lock(&guard);
        longjmp(back, 1);
    }
    assert_true(bearer_guard_try(&guard));
    bearer_guard_lock(&guard);
    assert_false(another_thread_gets(&guard));
    bearer_guard_unlock(&guard);
    assert_true(another_thread_gets(&guard));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread_at_a_time_is_inside),
        cmocka_unit_test(another_thread_does_not_get_what_is_held),
        cmocka_unit_test(a_child_gets_what_its_parent_held_when_it_forked),
        cmocka_unit_test(a_child_gets_what_another_thread_of_its_parent_held),
        cmocka_unit_test(a_thread_that_left_by_longjmp_gets_it_again),
    };

    return run_group("guard", tests);
}
