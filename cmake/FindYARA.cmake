# libyara has no CMake package of its own: found through pkg-config, as the target YARA::YARA.
find_package(PkgConfig QUIET)
pkg_check_modules(PC_YARA QUIET yara)
find_path(YARA_INCLUDE_DIR yara.h HINTS ${PC_YARA_INCLUDE_DIRS})
find_library(YARA_LIBRARY yara HINTS ${PC_YARA_LIBRARY_DIRS})
set(YARA_VERSION ${PC_YARA_VERSION})

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(YARA
    REQUIRED_VARS YARA_LIBRARY YARA_INCLUDE_DIR
    VERSION_VAR YARA_VERSION)

if(YARA_FOUND AND NOT TARGET YARA::YARA)
    add_library(YARA::YARA UNKNOWN IMPORTED)
    set_target_properties(YARA::YARA PROPERTIES
        IMPORTED_LOCATION "${YARA_LIBRARY}"
        INTERFACE_INCLUDE_DIRECTORIES "${YARA_INCLUDE_DIR}")
endif()
mark_as_advanced(YARA_INCLUDE_DIR YARA_LIBRARY)
