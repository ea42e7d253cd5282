/* SPDX-License-Identifier: Apache-2.0 */
/* Tells a process from those that forked it and those that it forks. */
#ifndef HL_HOST_PROCESS_ID_H
#define HL_HOST_PROCESS_ID_H

#include <stdint.h>

/* A number, not 0, that differs in a process forked off later, and in those that
 * it forks. What belongs to a process keeps its number. Any thread. */
uint32_t process_id(void);
#endif
