// SPDX-License-Identifier: MIT
//
// Names that show one type of file and open as another. All but the last rule look at the name
// alone, through the external variables; with an empty name none of them matches.

// Windows drops dots and spaces at the end of a name. The extension is that of the name as it will
// be saved, where characters that nobody sees are gone.
private rule Name_Of_A_Program
{
    condition:
        extension matches /^\.(exe|scr|com|pif|cpl|msi|jar|appimage|bat|cmd|ps1|vbs|vbe|jse?)$/ or
        extension matches /^\.(wsf|wsh|hta|lnk|url|scf|msc|reg|desktop)$/ or
        filename matches /\.(exe|scr|com|pif|cpl|msi|jar|appimage)[ .]*$/i or
        filename matches /\.(bat|cmd|ps1|vbs|vbe|jse?|wsf|wsh|hta)[ .]*$/i or
        filename matches /\.(lnk|url|scf|msc|reg|desktop)[ .]*$/i
}

rule Double_Extension : name
{
    meta:
        description = "A document's extension in front of the extension of a program or script"
        severity = "suspicious"
        reference = "MITRE ATT&CK T1036.007"

    condition:
        // What may stand between the two also comes as the no-break space (C2 A0) and the
        // ideographic space (E3 80 80).
        Name_Of_A_Program and
        (
            filename matches
              /[^.]\.(pdf|docx?|docm|xls[xm]?|pptx?)([ \t_]|\xC2\xA0|\xE3\x80\x80)*\.[^.]+[ .]*$/i
            or filename matches
              /[^.]\.(rtf|od[pst]|csv|txt|eml|msg|epub)([ \t_]|\xC2\xA0|\xE3\x80\x80)*\.[^.]+[ .]*$/i
            or filename matches
              /[^.]\.(jpe?g|png|gif|bmp|tiff?|webp|heic)([ \t_]|\xC2\xA0|\xE3\x80\x80)*\.[^.]+[ .]*$/i
            or filename matches
              /[^.]\.(mp3|mp4|avi|mkv|mov|wav)([ \t_]|\xC2\xA0|\xE3\x80\x80)*\.[^.]+[ .]*$/i
        )
}

rule Extension_Behind_Spaces : name
{
    meta:
        description = "A run of spaces that pushes the extension of a program out of sight"
        severity = "suspicious"
        reference = "MITRE ATT&CK T1036.006"

    condition:
        Name_Of_A_Program and
        filename matches /([ \t_]|\xC2\xA0|\xE3\x80\x80){8}\.[^.]+[ .]*$/i
}

rule Right_To_Left_Override_In_Name : name
{
    meta:
        description = "A name that is shown reversed from some character on (U+202E)"
        severity = "suspicious"
        reference = "MITRE ATT&CK T1036.002; Unicode Standard Annex 9"

    condition:
        filename contains "\xE2\x80\xAE"
}

rule Windows_Program_Under_Document_Name : name executable
{
    meta:
        description = "A Windows program under the extension of a document, picture or recording"
        severity = "suspicious"
        reference = "Microsoft PE Format"

    condition:
        uint16(0) == 0x5A4D and uint32(uint32(0x3C)) == 0x00004550 and
        (
            extension matches /^\.(pdf|docx?|xlsx?|pptx?|rtf|od[pst]|csv|txt|epub|html?)$/ or
            extension matches /^\.(jpe?g|png|gif|bmp|tiff?|webp|heic)$/ or
            extension matches /^\.(mp3|mp4|avi|mkv|mov|wav)$/
        )
}
