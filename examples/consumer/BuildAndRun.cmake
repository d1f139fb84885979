# SPDX-License-Identifier: MIT
# Installs the build BUILT below WORK, builds the project SOURCE against it and runs its program.
function(run)
    execute_process(COMMAND ${ARGN} RESULT_VARIABLE result)
    if(NOT result EQUAL 0)
        message(FATAL_ERROR "failed with ${result}: ${ARGN}")
    endif()
endfunction()

function(expect code file)
    execute_process(COMMAND ${WORK}/build/consumer ${file} RESULT_VARIABLE result)
    if(NOT result EQUAL ${code})
        message(FATAL_ERROR "${file}: expected exit code ${code}, got ${result}")
    endif()
endfunction()

file(REMOVE_RECURSE ${WORK})
run(${CMAKE_COMMAND} --install ${BUILT} --prefix ${WORK}/installed)

# No header needs those of libyara or OpenSSL.
file(GLOB_RECURSE headers ${WORK}/installed/include/*.h)
foreach(header ${headers})
    file(STRINGS ${header} foreign REGEX "#include <(yara|openssl)")
    if(foreign)
        message(FATAL_ERROR "${header}: ${foreign}")
    endif()
endforeach()

run(${CMAKE_COMMAND} -S ${SOURCE} -B ${WORK}/build -G ${GENERATOR}
    -D CMAKE_PREFIX_PATH=${WORK}/installed
    -D CMAKE_BUILD_TYPE=${BUILD_TYPE}
    -D CMAKE_CXX_COMPILER=${COMPILER})
run(${CMAKE_COMMAND} --build ${WORK}/build)

# The EICAR test file, in two pieces so that this text is not one itself.
file(WRITE ${WORK}/eicar.com
    [=[X5O!P%@AP[4\PZX54(P^)7CC)7}]=] [=[$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*]=])
file(WRITE ${WORK}/letter.txt "Dear reader,\n")
expect(1 ${WORK}/eicar.com)
expect(0 ${WORK}/letter.txt)
