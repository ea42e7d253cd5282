# SPDX-License-Identifier: Apache-2.0
# hyperlight_add_guest(NAME SOURCES...): a guest image in the build folder's guests/NAME.

# Kept in the cache: a project that adds this one as a subdirectory calls the
# function from a scope of its own.
file(STRINGS ${PROJECT_SOURCE_DIR}/src/guest/compile_flags.txt compile_flags REGEX "^-")
file(STRINGS ${PROJECT_SOURCE_DIR}/src/guest/link_flags.txt link_flags REGEX "^-")
execute_process(COMMAND ${CMAKE_C_COMPILER} -print-file-name=include
    OUTPUT_VARIABLE compiler_include OUTPUT_STRIP_TRAILING_WHITESPACE)
set(HL_SOURCE_DIR ${PROJECT_SOURCE_DIR} CACHE INTERNAL "")
set(HL_GUEST_COMPILE_FLAGS ${compile_flags} CACHE INTERNAL "")
set(HL_GUEST_LINK_FLAGS ${link_flags} CACHE INTERNAL "")
set(HL_COMPILER_INCLUDE ${compiler_include} CACHE INTERNAL "")

# Flags for everything that runs in a guest: the compiler's own headers and
# ours, none of the build machine's.
function(hl_guest_flags target)
    target_compile_options(${target} PRIVATE ${HL_GUEST_COMPILE_FLAGS}
        -nostdinc -isystem ${HL_COMPILER_INCLUDE})
    target_include_directories(${target} PRIVATE ${HL_SOURCE_DIR}/include)
    target_include_directories(${target} SYSTEM PRIVATE
        ${HL_SOURCE_DIR}/include/hyperlight/libc)
endfunction()

add_custom_target(guests)

function(hyperlight_add_guest name)
    set(target guest_${name})
    set(script ${HL_SOURCE_DIR}/src/guest/guest.ld)
    add_executable(${target} ${ARGN})
    hl_guest_flags(${target})
    target_link_libraries(${target} PRIVATE hyperlight_guest)
    target_link_options(${target} PRIVATE ${HL_GUEST_LINK_FLAGS} -Wl,-T,${script})
    set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name} LINKER_LANGUAGE C
        LINK_DEPENDS ${script}
        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/guests)
    add_dependencies(guests ${target})
endfunction()

file(GLOB_RECURSE guest_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/guest/*.c
    ${PROJECT_SOURCE_DIR}/src/guest/*.S)
enable_language(ASM)
add_library(hyperlight_guest STATIC ${guest_sources} ${PROJECT_SOURCE_DIR}/src/shared/wire.c
    ${PROJECT_SOURCE_DIR}/src/shared/signature.c ${PROJECT_SOURCE_DIR}/src/shared/utf8.c)
hl_guest_flags(hyperlight_guest)
target_compile_options(hyperlight_guest PRIVATE
    $<$<COMPILE_LANGUAGE:C>:-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror>)
