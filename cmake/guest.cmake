# SPDX-License-Identifier: Apache-2.0
# hyperlight_add_guest(NAME SOURCES...): a guest image in the build folder's guests/NAME.
#
# Needs HL_GUEST_DIR (flags and linker script) and HL_INCLUDE_DIR; the target
# hyperlight_guest is the runtime, built here or installed. Both are kept in the
# cache: a project that adds this one as a subdirectory calls the function from
# a scope of its own. hyperlight-cc reads the same flags.

file(STRINGS ${HL_GUEST_DIR}/compile_flags.txt compile_flags REGEX "^-")
file(STRINGS ${HL_GUEST_DIR}/link_flags.txt link_flags REGEX "^-")
set(HL_GUEST_DIR ${HL_GUEST_DIR} CACHE INTERNAL "")
set(HL_INCLUDE_DIR ${HL_INCLUDE_DIR} CACHE INTERNAL "")
set(HL_GUEST_COMPILE_FLAGS ${compile_flags} CACHE INTERNAL "")
set(HL_GUEST_LINK_FLAGS ${link_flags} CACHE INTERNAL "")

# Flags for everything that runs in a guest: the compiler's own headers and
# ours, none of the build machine's. CMAKE_C_FLAGS may have a sanitizer for the
# host, which has no runtime here; a guest's own options come behind these.
function(hl_guest_flags target)
    if(NOT CMAKE_C_COMPILER)
        message(FATAL_ERROR "hyperlight_add_guest needs C: project(... LANGUAGES C ...)")
    endif()
    if(NOT HL_COMPILER_INCLUDE)
        execute_process(COMMAND ${CMAKE_C_COMPILER} -print-file-name=include
            OUTPUT_VARIABLE compiler_include OUTPUT_STRIP_TRAILING_WHITESPACE)
        set(HL_COMPILER_INCLUDE ${compiler_include} CACHE INTERNAL "")
    endif()
    target_compile_options(${target} PRIVATE -fno-sanitize=all ${HL_GUEST_COMPILE_FLAGS}
        -nostdinc -isystem ${HL_COMPILER_INCLUDE})
    target_include_directories(${target} PRIVATE ${HL_INCLUDE_DIR})
    target_include_directories(${target} SYSTEM PRIVATE ${HL_INCLUDE_DIR}/hyperlight/libc)
endfunction()

if(NOT TARGET guests)
    add_custom_target(guests)
endif()

function(hyperlight_add_guest name)
    set(target guest_${name})
    set(script ${HL_GUEST_DIR}/guest.ld)
    add_executable(${target} ${ARGN})
    hl_guest_flags(${target})
    target_link_libraries(${target} PRIVATE hyperlight_guest)
    target_link_options(${target} PRIVATE -fno-sanitize=all ${HL_GUEST_LINK_FLAGS} -Wl,-T,${script})
    set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name} LINKER_LANGUAGE C
        LINK_DEPENDS ${script}
        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/guests)
    add_dependencies(guests ${target})
endfunction()
