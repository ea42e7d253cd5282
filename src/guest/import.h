/* SPDX-License-Identifier: Apache-2.0 */
/* The table of required imports, as the linker laid it out. */
#ifndef HL_GUEST_IMPORT_H
#define HL_GUEST_IMPORT_H

#include <hyperlight/guest.h>

extern const hl_import __start_hl_imp[], __stop_hl_imp[];
#endif
