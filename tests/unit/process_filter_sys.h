/* SPDX-License-Identifier: Apache-2.0 */
/* In front of the tracer's filter.c: its one system call gives the test the filter. */
#ifndef HL_TESTS_PROCESS_FILTER_SYS_H
#define HL_TESTS_PROCESS_FILTER_SYS_H

#include "../../src/host/hv/process/sys.h"
#undef SYS
#define SYS(name, operation, flags, program) filter_given(__NR_##name, operation, flags, program)
long filter_given(long call, long operation, long flags, const void *program);
#endif
