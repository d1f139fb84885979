// SPDX-License-Identifier: MIT
//
// Programs that unpack themselves. Much honest software does, so most of this is information.
// The fields are read in place: the pe module would cost every scan, also of files that are no PE.

rule UPX_Packed_Windows_Program : packer executable
{
    meta:
        description = "Windows program packed with UPX"
        severity = "info"
        reference = "https://upx.github.io"

    strings:
        $section_0 = { 55 50 58 30 00 00 00 00 }
        $section_1 = { 55 50 58 31 00 00 00 00 }
        $header = "UPX!"

    condition:
        uint16(0) == 0x5A4D and uint32(uint32(0x3C)) == 0x00004550 and
        $section_0 in (0..4096) and $section_1 in (0..4096) and $header in (0..8192)
}

rule UPX_Header_Removed : packer executable
{
    meta:
        description = "Windows program packed with UPX, without the header that unpacking needs"
        severity = "suspicious"
        reference = "MITRE ATT&CK T1027.002"

    strings:
        $section_0 = { 55 50 58 30 00 00 00 00 }
        $section_1 = { 55 50 58 31 00 00 00 00 }
        $header = "UPX!"

    condition:
        uint16(0) == 0x5A4D and uint32(uint32(0x3C)) == 0x00004550 and
        $section_0 in (0..4096) and $section_1 in (0..4096) and not $header in (0..8192)
}

rule UPX_Packed_Linux_Program : packer executable
{
    meta:
        description = "Linux program packed with UPX"
        severity = "info"
        reference = "https://upx.github.io"

    strings:
        $header = "UPX!"

    condition:
        uint32(0) == 0x464C457F and filesize > 1024 and
        $header in (0..1024) and $header in (filesize - 256..filesize)
}

rule Protector_Section_Name : packer executable
{
    meta:
        description = "Windows program with a section of a commercial packer or protector"
        severity = "info"
        reference = "Microsoft PE Format, Section Table"

    strings:
        $vmprotect = { 2E 76 6D 70 (30 | 31 | 32) 00 00 00 }
        $themida = ".themida"
        $winlicense = ".winlice"
        $enigma = { 2E 65 6E 69 67 6D 61 (31 | 32) }
        $aspack = { 2E 61 73 70 61 63 6B 00 }
        $mpress = { 2E 4D 50 52 45 53 53 (31 | 32) }
        $petite = { 2E 70 65 74 69 74 65 00 }
        $pecompact = { 50 45 43 6F 6D 70 61 63 }
        $obsidium = ".obsidiu"

    condition:
        uint16(0) == 0x5A4D and uint32(uint32(0x3C)) == 0x00004550 and
        for any of them : ( $ in (0..4096) )
}

rule Rare_Packer_Section_Name : packer executable
{
    meta:
        description = "Windows program with a section of a packer seen in little but malware"
        severity = "suspicious"
        reference = "Microsoft PE Format, Section Table; MITRE ATT&CK T1027.002"

    strings:
        $nspack = { 2E 6E 73 70 (30 | 31 | 32) 00 00 00 }
        $upack = { 2E 55 70 61 63 6B 00 00 }
        $upack_author = ".ByDwing"
        $yoda = { 2E 79 50 00 00 00 00 00 }
        $perplex = ".perplex"
        $rlpack = { 2E 52 4C 50 61 63 6B 00 }
        $packman = { 2E 50 41 43 4B 4D 41 4E }
        $mew = { 4D 45 57 46 00 }
        $epack = { 21 45 50 61 63 6B 00 00 }

    condition:
        uint16(0) == 0x5A4D and uint32(uint32(0x3C)) == 0x00004550 and
        for any of them : ( $ in (uint32(0x3C) + 24..uint32(0x3C) + 4096) )
}

rule Self_Unpacking_Windows_Program : packer executable
{
    meta:
        description = "Windows program whose first section has no content but runs"
        severity = "info"
        reference = "Microsoft PE Format, Section Table"

    condition:
        uint16(0) == 0x5A4D and uint32(uint32(0x3C)) == 0x00004550 and
        uint16(uint32(0x3C) + 6) > 1 and
        // VirtualSize, SizeOfRawData and Characteristics of the first section header, which
        // follows the optional header.
        uint32(uint32(0x3C) + 24 + uint16(uint32(0x3C) + 20) + 8) > 0x1000 and
        uint32(uint32(0x3C) + 24 + uint16(uint32(0x3C) + 20) + 16) == 0 and
        (uint32(uint32(0x3C) + 24 + uint16(uint32(0x3C) + 20) + 36) & 0xA0000000) == 0xA0000000
}

rule Few_Imports_Windows_Program : packer executable
{
    meta:
        description = "Windows program that imports from one library, only to find the rest itself"
        severity = "info"
        reference = "Microsoft PE Format, Import Directory Table; MITRE ATT&CK T1027.007"

    strings:
        $load_a = "LoadLibraryA"
        $load_w = "LoadLibraryW"
        $find = "GetProcAddress"

    condition:
        uint16(0) == 0x5A4D and uint32(uint32(0x3C)) == 0x00004550 and filesize > 16KB and
        ($load_a or $load_w) and $find and
        (
            // The import directory holds one descriptor and the null one: 2 * 20 bytes. Its entry
            // is the second data directory, 96 bytes into the optional header of PE32 and 112 of
            // PE32+.
            (
                uint16(uint32(0x3C) + 24) == 0x010B and
                uint32(uint32(0x3C) + 24 + 96 + 12) == 40
            ) or
            (
                uint16(uint32(0x3C) + 24) == 0x020B and
                uint32(uint32(0x3C) + 24 + 112 + 12) == 40
            )
        ) and
        // and the first section is writable code.
        (uint32(uint32(0x3C) + 24 + uint16(uint32(0x3C) + 20) + 36) & 0xA0000000) == 0xA0000000
}

rule Self_Unpacking_Linux_Program : packer executable
{
    meta:
        description = "Linux program without sections, with a segment both writable and executable"
        severity = "info"
        reference = "System V ABI, ELF header and program header"

    condition:
        uint32(0) == 0x464C457F and uint8(5) == 1 and (uint16(16) == 2 or uint16(16) == 3) and
        (
            // 64-bit: e_phoff at 32, e_phnum at 56, e_shnum at 60; p_flags at 4 of 56 bytes.
            (
                uint8(4) == 2 and uint16(60) == 0 and uint16(56) > 0 and uint16(56) < 32 and
                for any i in (0..uint16(56) - 1) : (
                    uint32(uint32(32) + i * 56) == 1 and
                    (uint32(uint32(32) + i * 56 + 4) & 3) == 3
                )
            ) or
            // 32-bit: e_phoff at 28, e_phnum at 44, e_shnum at 48; p_flags at 24 of 32 bytes.
            (
                uint8(4) == 1 and uint16(48) == 0 and uint16(44) > 0 and uint16(44) < 32 and
                for any i in (0..uint16(44) - 1) : (
                    uint32(uint32(28) + i * 32) == 1 and
                    (uint32(uint32(28) + i * 32 + 24) & 3) == 3
                )
            )
        )
}
