# SPDX-License-Identifier: MIT
# Runs PROGRAM on a harmless file and on a threat, and looks at what it saved below WORK.
file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK}/downloads)
file(WRITE ${WORK}/letter.txt "Dear reader,\n")
# The EICAR test file, in two pieces so that this text is not one itself.
file(WRITE ${WORK}/eicar.com
    [=[X5O!P%@AP[4\PZX54(P^)7CC)7}]=] [=[$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*]=])

function(expect code name)
    execute_process(COMMAND ${PROGRAM} file://${WORK}/${name} ${WORK}/downloads
        RESULT_VARIABLE result)
    if(NOT result EQUAL ${code})
        message(FATAL_ERROR "${name}: expected exit code ${code}, got ${result}")
    endif()
endfunction()

expect(0 letter.txt)
expect(1 eicar.com)
expect(1 missing.txt)
expect(1 letter.txt) # which is there already, and is not replaced

file(READ ${WORK}/downloads/letter.txt letter)
if(NOT letter STREQUAL "Dear reader,\n")
    message(FATAL_ERROR "the file saved differs from the one fetched")
endif()
file(GLOB saved RELATIVE ${WORK}/downloads ${WORK}/downloads/* ${WORK}/downloads/.[!.]*)
if(NOT saved STREQUAL "letter.txt")
    message(FATAL_ERROR "left behind: ${saved}")
endif()
