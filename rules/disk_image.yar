// SPDX-License-Identifier: MIT
//
// Disk images: a double click mounts them, and what lies in them lacks the mark of a download.

// "CD001" (ISO 9660) or "BEA01" (UDF) in the first volume descriptor, after its type byte.
private rule Optical_Image
{
    condition:
        (uint32(0x8001) == 0x30304443 or uint32(0x8001) == 0x30414542) and uint8(0x8005) == 0x31
}

// "vhdxfile" or "conectix" (VHD, which has it in front or in its last sector), or a FAT boot
// sector with its name at the place of FAT12 and FAT16 or of FAT32.
private rule Sector_Image
{
    condition:
        (uint32(0) == 0x78646876 and uint32(4) == 0x656C6966) or
        (uint32(0) == 0x656E6F63 and uint32(4) == 0x78697463) or
        (
            filesize > 512 and
            uint32(filesize - 512) == 0x656E6F63 and uint32(filesize - 508) == 0x78697463
        ) or
        (uint16(510) == 0xAA55 and (uint32(54) == 0x31544146 or uint32(82) == 0x33544146))
}

rule Disk_Image_Autorun : image
{
    meta:
        description = "Disk image with an autorun.inf"
        severity = "info"
        reference = "ECMA-119 9.1; MITRE ATT&CK T1553.005"

    strings:
        // wide also finds the big-endian names of Joliet, one byte later.
        $name = "autorun.inf" ascii wide nocase

    condition:
        Optical_Image and $name
}

rule Disk_Image_Shell_Link : image lnk
{
    meta:
        description = "Small disk image that holds a Windows shortcut"
        severity = "suspicious"
        reference = "[MS-SHLLINK] 2.1; MITRE ATT&CK T1553.005"

    strings:
        // LinkCLSID. HeaderSize before it would make libyara look at every small number 76.
        $class = { 01 14 02 00 00 00 00 00 C0 00 00 00 00 00 00 46 }

    condition:
        filesize < 256MB and (Optical_Image or Sector_Image) and
        // Only a file of its own begins with a sector.
        $class and
        for any i in (1..#class) : ( @class[i] % 512 == 4 and uint32(@class[i] - 4) == 76 )
}

rule Disk_Image_Single_Program : image executable
{
    meta:
        description = "Small disk image made to carry one program"
        severity = "suspicious"
        reference = "ECMA-119 9.1; MITRE ATT&CK T1553.005"

    strings:
        $program = /[A-Z0-9_]\.(EXE|SCR|COM|PIF|BAT|CMD|JS|VBS|WSF|HTA|PS1);1/ ascii nocase
        $boot = "EL TORITO SPECIFICATION" ascii

    condition:
        filesize < 16MB and Optical_Image and not $boot and #program == 1
}
