/* cycles.c - `cycles COUNT` initialises and ends libsasl2 that often; prints the resident kilobytes after a tenth and at the end. */
#include "tests/bench/resident.h"

#include <sasl/sasl.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    long count = argc > 1 ? strtol(argv[1], NULL, 10) : 10000;

    for (long i = 0; i < count; i++) {
        if (sasl_client_init(NULL) != SASL_OK)
            return 1;
        sasl_done();
        if (i == count / 10)
            printf("%ld ", resident());
    }
    printf("%ld\n", resident());
    return 0;
}
