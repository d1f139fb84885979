// SPDX-License-Identifier: MIT
//
// Documents with code or objects of their own.

rule OLE2_VBA_Project : document macro
{
    meta:
        description = "Office document (OLE2) with a VBA project"
        severity = "info"
        reference = "[MS-CFB] 2.2; [MS-OVBA] 2.2.1"

    strings:
        $stream = "_VBA_PROJECT" wide

    condition:
        uint32(0) == 0xE011CFD0 and uint32(4) == 0xE11AB1A1 and $stream
}

rule OLE2_VBA_Runs_At_Opening : document macro
{
    meta:
        description = "Office document (OLE2) whose macro runs when it is opened or closed"
        severity = "suspicious"
        reference = "[MS-OVBA] 2.3.4; MITRE ATT&CK T1137.001"

    strings:
        $auto_1 = "AutoOpen" ascii wide nocase
        $auto_2 = "Auto_Open" ascii wide nocase
        $auto_3 = "AutoExec" ascii wide nocase
        $auto_4 = "AutoClose" ascii wide nocase
        $auto_5 = "Auto_Close" ascii wide nocase
        $auto_6 = "Document_Open" ascii wide nocase
        $auto_7 = "DocumentOpen" ascii wide nocase
        $auto_8 = "Document_Close" ascii wide nocase
        $auto_9 = "Workbook_Open" ascii wide nocase
        $auto_10 = "Workbook_Activate" ascii wide nocase
        $auto_11 = "Workbook_BeforeClose" ascii wide nocase

    condition:
        OLE2_VBA_Project and any of ($auto_*)
}

rule OOXML_VBA_Project : document macro
{
    meta:
        description = "Office document (OOXML) with a VBA project"
        severity = "info"
        reference = "[MS-OFFMACRO2] 2.2.1; ECMA-376 part 2"

    strings:
        $types = "[Content_Types].xml" ascii
        $word = "word/vbaProject.bin" ascii nocase
        $excel = "xl/vbaProject.bin" ascii nocase
        $slides = "ppt/vbaProject.bin" ascii nocase

    condition:
        uint32(0) == 0x04034B50 and $types and ($word or $excel or $slides)
}

rule OOXML_Macro_Under_Plain_Name : document macro name
{
    meta:
        description = "Office document with macros under an extension that promises none"
        severity = "suspicious"
        reference = "[MS-OFFMACRO2] 2.2.1; ECMA-376 part 1"

    condition:
        OOXML_VBA_Project and
        (
            extension == ".docx" or extension == ".dotx" or extension == ".xlsx" or
            extension == ".xltx" or extension == ".pptx" or extension == ".potx" or
            extension == ".ppsx"
        )
}

rule OOXML_Excel4_Macro_Sheet : document macro
{
    meta:
        description = "Excel workbook with a macro sheet of the Excel 4.0 kind"
        severity = "suspicious"
        reference = "[MS-OFFMACRO2] 2.2.1.2"

    strings:
        $types = "[Content_Types].xml" ascii
        $sheet = "xl/macrosheets/" ascii nocase

    condition:
        uint32(0) == 0x04034B50 and $types and $sheet
}

rule RTF_Embedded_Object : document object
{
    meta:
        description = "RTF document with an OLE object"
        severity = "info"
        reference = "Rich Text Format Specification 1.9.1, Objects"

    strings:
        $data = "\\objdata" ascii

    condition:
        // Word reads anything that begins {\rt.
        uint32(0) == 0x74725C7B and $data
}

rule RTF_Object_Loads_Itself : document object
{
    meta:
        description = "RTF document whose OLE object is loaded without a click"
        severity = "suspicious"
        reference = "Rich Text Format Specification 1.9.1, Objects: objupdate, objautlink"

    strings:
        $data = "\\objdata" ascii
        $update = "\\objupdate" ascii
        $link = "\\objautlink" ascii

    condition:
        uint32(0) == 0x74725C7B and $data and ($update or $link)
}

rule RTF_Equation_Object : document object
{
    meta:
        description = "RTF document with an object of the retired equation editor"
        severity = "suspicious"
        reference = "CVE-2017-11882; [MS-OLEDS] 2.2.4"

    strings:
        $data = "\\objdata" ascii
        $class = /\\objclass[ ]{1,4}Equation\.[23]/ ascii nocase
        // "Equation." and the class id 0002CE02-0000-0000-C000-000000000046, in the hex digits of
        // objdata.
        $name = "4571756174696f6e2e" ascii nocase
        $clsid = "02ce020000000000c000000000000046" ascii nocase

    condition:
        uint32(0) == 0x74725C7B and $data and ($class or $name or $clsid)
}
