/* Linked into every program of a coverage build: how a process can end without exit(3), with which
 * libgcov would write its counts. What is abandoned or panics would look as if it had never run. */
#include <stdlib.h>
#include <unistd.h>

void __gcov_dump(void);
void __gcov_reset(void);
_Noreturn void __real__exit(int status);
_Noreturn void __real_abort(void);
_Noreturn void __wrap__exit(int status);
_Noreturn void __wrap_abort(void);

/* A process that shares its memory until it is another program must not keep its parent from
 * writing later: counts are written once, unless they begin anew. */
static void write_counts(void)
{
    __gcov_dump();
    __gcov_reset();
}

void __wrap__exit(int status)
{
    write_counts();
    __real__exit(status);
}

void __wrap_abort(void)
{
    write_counts();
    __real_abort();
}
