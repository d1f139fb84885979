// SPDX-License-Identifier: MIT
//
// The standard test file. Its 68 characters are written as bytes here, so that this text is not
// itself a test file.

rule EICAR_Test_File : test
{
    meta:
        description = "The EICAR standard anti-virus test file"
        severity = "malicious"
        reference = "https://www.eicar.org/download-anti-malware-testfile/"

    strings:
        $text = {
            58 35 4F 21 50 25 40 41 50 5B 34 5C 50 5A 58 35 34
            28 50 5E 29 37 43 43 29 37 7D 24 45 49 43 41 52 2D
            53 54 41 4E 44 41 52 44 2D 41 4E 54 49 56 49 52 55
            53 2D 54 45 53 54 2D 46 49 4C 45 21 24 48 2B 48 2A
        }

    condition:
        // The standard: the text comes first, and only space, tab, LF, CR and CTRL-Z may follow,
        // up to a file of 128 characters.
        filesize <= 128 and $text at 0 and
        (
            filesize == 68 or
            for all i in (68..filesize - 1) : (
                uint8(i) == 0x20 or uint8(i) == 0x09 or uint8(i) == 0x0A or
                uint8(i) == 0x0D or uint8(i) == 0x1A
            )
        )
}

rule EICAR_Embedded : test
{
    meta:
        description = "The text of the EICAR test file inside another file"
        severity = "suspicious"
        reference = "https://www.eicar.org/download-anti-malware-testfile/"

    strings:
        $text = {
            58 35 4F 21 50 25 40 41 50 5B 34 5C 50 5A 58 35 34
            28 50 5E 29 37 43 43 29 37 7D 24 45 49 43 41 52 2D
            53 54 41 4E 44 41 52 44 2D 41 4E 54 49 56 49 52 55
            53 2D 54 45 53 54 2D 46 49 4C 45 21 24 48 2B 48 2A
        }

    condition:
        $text and not EICAR_Test_File
}
