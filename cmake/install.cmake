# SPDX-License-Identifier: Apache-2.0
# What "cmake --install" and "./dev install" put where, and the .deb. All of it
# finds its parts by relative paths, so that any prefix will do.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(guest_dir ${CMAKE_INSTALL_LIBDIR}/hyperlight)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/hyperlight)

install(DIRECTORY include/hyperlight DESTINATION include)
install(TARGETS hyperlight hyperlight_shared hyperlight_test EXPORT hyperlight
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS hyperlight_cli RUNTIME DESTINATION bin)

# Guest builds.
install(TARGETS hyperlight_guest ARCHIVE DESTINATION ${guest_dir})
install(FILES src/guest/guest.ld src/guest/compile_flags.txt src/guest/link_flags.txt
    DESTINATION ${guest_dir})
# Guests look for headers here: in /usr the host's lie beside ours.
file(RELATIVE_PATH headers /${guest_dir}/include /include/hyperlight)
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/guest_include)
file(CREATE_LINK ${headers} ${PROJECT_BINARY_DIR}/guest_include/hyperlight SYMBOLIC)
install(DIRECTORY ${PROJECT_BINARY_DIR}/guest_include/ DESTINATION ${guest_dir}/include)
file(RELATIVE_PATH HL_GUEST_FROM_BIN /bin /${guest_dir})
configure_file(cmake/hyperlight-cc.in hyperlight-cc @ONLY
    FILE_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ
    WORLD_EXECUTE)
install(PROGRAMS ${PROJECT_BINARY_DIR}/hyperlight-cc DESTINATION bin)

# What of the tree is installed, to be built by one name.
add_custom_target(product DEPENDS hyperlight hyperlight_shared hyperlight_cli hyperlight_guest
    hyperlight_test)

# find_package(hyperlight), pkg-config.
install(EXPORT hyperlight NAMESPACE hyperlight:: FILE hyperlightTargets.cmake
    DESTINATION ${package_dir})
configure_package_config_file(cmake/hyperlightConfig.cmake.in hyperlightConfig.cmake
    INSTALL_DESTINATION ${package_dir} PATH_VARS guest_dir NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file(hyperlightConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/hyperlightConfig.cmake
    ${PROJECT_BINARY_DIR}/hyperlightConfigVersion.cmake cmake/guest.cmake
    DESTINATION ${package_dir})
file(RELATIVE_PATH HL_PREFIX_FROM_PC /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" HL_PREFIX_FROM_PC ${HL_PREFIX_FROM_PC})
foreach(name hyperlight hyperlight-test)
    configure_file(cmake/${name}.pc.in ${name}.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

# Documents and examples.
install(FILES README.md SECURITY.md CHANGELOG.md CONTRIBUTING.md CODE_OF_CONDUCT.md
    DESTINATION share/doc/hyperlight)
install(FILES LICENSE DESTINATION share/doc/hyperlight RENAME copyright)
install(DIRECTORY docs DESTINATION share/doc/hyperlight PATTERN man EXCLUDE)
install(DIRECTORY examples DESTINATION share/doc/hyperlight
    PATTERN CMakeLists.txt EXCLUDE)

# The manual, and completion for bash.
install(FILES docs/man/hyperlight.1 docs/man/hyperlight-cc.1 DESTINATION share/man/man1)
install(FILES src/cli/completion.bash DESTINATION share/bash-completion/completions
    RENAME hyperlight)

# The Debian package: "./dev package".
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)
set(CPACK_PACKAGE_NAME hyperlight)
# Debian wants an address; this one is nobody's.
set(CPACK_PACKAGE_CONTACT "The maintainers of Hyperlight for C <hyperlight@example.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "run untrusted native code in micro virtual machines")
string(CONCAT CPACK_PACKAGE_DESCRIPTION
    "A library that runs functions of untrusted native code in micro virtual machines\n"
    "without a kernel; what builds such guests; and a command that calls, saves and\n"
    "inspects them.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION devel)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "gcc | clang, make, pkg-config | pkgconf")
set(CPACK_VERBATIM_VARIABLES ON)
include(CPack)
