/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the monotonic clock. */
#define _DEFAULT_SOURCE
#include "clock.h"

#include <time.h>

double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}
