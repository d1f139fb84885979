# Programs, libraries and plugins find each other in an installed tree wherever it is moved to.
set(CMAKE_INSTALL_RPATH "$ORIGIN;$ORIGIN/../${CMAKE_INSTALL_LIBDIR};$ORIGIN/../..")

# Parsed once instead of in every source: most of a build's time is spent in these.
set(SENTINEL_COMMON_HEADERS
    <QByteArray> <QDir> <QFile> <QNetworkAccessManager> <QNetworkReply> <QObject> <QString>
    <QStringList> <QUrl> <QVariant>
    <algorithm> <atomic> <chrono> <condition_variable> <expected> <functional> <map> <memory> <mutex>
    <optional> <set> <string> <unordered_map> <vector>)

# What every target of this project shares: the language level, warnings and sanitizers.
function(sentinel_target name)
    target_compile_features(${name} PUBLIC cxx_std_23)
    target_compile_definitions(${name} PRIVATE
        QT_NO_CAST_FROM_ASCII QT_NO_CAST_TO_ASCII QT_NO_KEYWORDS QT_NO_FOREACH)
    target_compile_options(${name} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor)
    # A source's compilation needs 0.5 GiB anyway: to tidy up below that is a tenth of its time.
    target_compile_options(${name} PRIVATE $<$<CXX_COMPILER_ID:GNU>:
        --param=ggc-min-heapsize=524288 --param=ggc-min-expand=100>)
    if(SENTINEL_WERROR)
        target_compile_options(${name} PRIVATE -Werror)
    endif()
    # Sources of one folder are compiled as one: what is a source's own has a name of its own there.
    get_target_property(sources ${name} SOURCES)
    foreach(source ${sources})
        cmake_path(GET source PARENT_PATH folder)
        string(REPLACE "/" "_" folder "in_${folder}")
        set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${folder})
    endforeach()
    set_target_properties(${name} PROPERTIES UNITY_BUILD_MODE GROUP)
    if(CMAKE_UNITY_BUILD) # as if what is a source's own were in a header
        target_compile_options(${name} PRIVATE
            $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
    endif()
    if(SENTINEL_SANITIZE)
        target_compile_options(${name} PRIVATE -fsanitize=${SENTINEL_SANITIZE}
            -fno-sanitize-recover=all -fno-omit-frame-pointer)
        target_link_options(${name} PRIVATE -fsanitize=${SENTINEL_SANITIZE})
        # What the address sanitizer sees as well where it does harm: a third of the compilation.
        if(SENTINEL_SANITIZE MATCHES "address" AND SENTINEL_SANITIZE MATCHES "undefined")
            target_compile_options(${name} PRIVATE
                -fno-sanitize=null,object-size,pointer-overflow)
        endif()
        # g++ 12 reports false maybe-uninitialized and string overflows under sanitizers.
        target_compile_options(${name} PRIVATE $<$<CXX_COMPILER_ID:GNU>:
            -Wno-maybe-uninitialized -Wno-stringop-overflow>)
    endif()
    set_target_properties(${name} PROPERTIES
        CXX_EXTENSIONS OFF CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON AUTOMOC ON)
endfunction()

# A library that is installed and exported as Sentinel::<name>, its headers below <folder>/.
function(sentinel_library name folder)
    sentinel_target(${name})
    add_library(Sentinel::${name} ALIAS ${name})
    target_include_directories(${name} PUBLIC
        $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
        $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}>
        $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/sentinel>)
    set_target_properties(${name} PROPERTIES
        VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
    install(TARGETS ${name} EXPORT SecurityTapTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
    # Not the headers that need those of libraries which are our own affair (ADR 8).
    install(DIRECTORY ${PROJECT_SOURCE_DIR}/${folder}/
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/sentinel/${folder}
        FILES_MATCHING PATTERN "*.h" PATTERN "*_p.h" EXCLUDE
        REGEX "/engine/Yara(Finding|Library|Matches|Scan)\\.h$" EXCLUDE)
endfunction()
