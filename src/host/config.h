/* SPDX-License-Identifier: Apache-2.0 */
/* The application's configuration, checked and completed. */
#ifndef HL_HOST_CONFIG_H
#define HL_HOST_CONFIG_H

#include "layout.h"

/* Copies `given` (NULL: all defaults) with every default filled in; E_INVALID
 * names the member, its value and the range. */
hl_status config_complete(hl_config *out, const hl_config *given, hl_error *err);
/* The same for a sandbox of a shape: the members that make a shape are 0 or
 * equal to it. */
hl_status config_from_shape(hl_config *out, const hl_config *given, const struct sizes *sizes,
                            bool avx, hl_error *err);
/* Of a file: E_IMAGE names what is out of the range that a config may have. */
hl_status config_check_sizes(const struct sizes *sizes, hl_error *err);
struct sizes config_sizes(const hl_config *config); /* of a completed one */
#endif
