/* SPDX-License-Identifier: Apache-2.0 */
/* The bench's clock. */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

/* Monotonic time in microseconds. */
double now_us(void);

#endif
