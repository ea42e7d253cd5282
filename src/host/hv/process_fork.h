/* SPDX-License-Identifier: Apache-2.0 */
/* A tracer that is a fork of the application. */
#ifndef HL_HOST_PROCESS_FORK_H
#define HL_HOST_PROCESS_FORK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A child of this process, unseen by its wait and without SIGCHLD, that runs the
 * tracer's program. Costs a fork: time for what the application has touched. -1
 * with errno. Every signal is blocked. */
pid_t process_fork(int *pidfd, const uint8_t *image, const char *control);
#endif
