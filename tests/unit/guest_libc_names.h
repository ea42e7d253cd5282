/* SPDX-License-Identifier: Apache-2.0 */
/* Included first (-include) when the guest's C library is compiled for a host test:
 * gives its functions names of their own beside the host's. */
#ifndef HL_TESTS_GUEST_LIBC_NAMES_H
#define HL_TESTS_GUEST_LIBC_NAMES_H

#define memcpy hl_t_memcpy
#define memmove hl_t_memmove
#define memset hl_t_memset
#define memcmp hl_t_memcmp
#define memchr hl_t_memchr
#define memrchr hl_t_memrchr
#define strlen hl_t_strlen
#define strnlen hl_t_strnlen
#define strcmp hl_t_strcmp
#define strncmp hl_t_strncmp
#define strcpy hl_t_strcpy
#define strncpy hl_t_strncpy
#define strcat hl_t_strcat
#define strncat hl_t_strncat
#define strchr hl_t_strchr
#define strrchr hl_t_strrchr
#define strstr hl_t_strstr
#define strspn hl_t_strspn
#define strcspn hl_t_strcspn
#define strpbrk hl_t_strpbrk
#define strtok_r hl_t_strtok_r
#define strdup hl_t_strdup
#define strndup hl_t_strndup
#define malloc hl_t_malloc
#define calloc hl_t_calloc
#define realloc hl_t_realloc
#define free hl_t_free
#define aligned_alloc hl_t_aligned_alloc
#define abort hl_t_abort
#define abs hl_t_abs
#define labs hl_t_labs
#define llabs hl_t_llabs
#define strtol hl_t_strtol
#define strtoul hl_t_strtoul
#define strtoll hl_t_strtoll
#define strtoull hl_t_strtoull
#define qsort hl_t_qsort
#define bsearch hl_t_bsearch
#define snprintf hl_t_snprintf
#define vsnprintf hl_t_vsnprintf
#define printf hl_t_printf
#define vprintf hl_t_vprintf
#define puts hl_t_puts
#define putchar hl_t_putchar
#define isalnum hl_t_isalnum
#define isalpha hl_t_isalpha
#define isblank hl_t_isblank
#define iscntrl hl_t_iscntrl
#define isdigit hl_t_isdigit
#define isgraph hl_t_isgraph
#define islower hl_t_islower
#define isprint hl_t_isprint
#define ispunct hl_t_ispunct
#define isspace hl_t_isspace
#define isupper hl_t_isupper
#define isxdigit hl_t_isxdigit
#define tolower hl_t_tolower
#define toupper hl_t_toupper

#endif
