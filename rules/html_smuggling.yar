// SPDX-License-Identifier: MIT
//
// Pages that build a file in the browser and save it: the file never crosses the network as such.

private rule Page_That_Saves_A_File
{
    strings:
        $html = "<html" ascii wide nocase
        $doctype = "<!doctype" ascii wide nocase
        $script = "<scrip\x74" ascii wide nocase // t, so that this text is no page itself
        $svg = "<svg" ascii wide nocase
        $blob = /new[ ]{1,4}(window\.)?(blob|file)[ ]?\(/ ascii wide nocase
        $url = "createobjecturl" ascii wide nocase
        $save_1 = "mssaveblob" ascii wide nocase
        $save_2 = "mssaveoropenblob" ascii wide nocase
        $name_1 = /\.download[ ]?=/ ascii wide nocase
        $name_2 = /["']download["'][ ]?,/ ascii wide nocase
        $name_3 = /[ ]download[ ]?=[ ]?["']/ ascii wide nocase
        $click_1 = /\.click[ ]?\(/ ascii wide nocase
        $click_2 = /dispatchevent[ ]?\(/ ascii wide nocase

    condition:
        filesize < 32MB and $script and
        for any of ($html, $doctype, $script, $svg) : ( $ in (0..4096) ) and
        (
            ($blob and $url and any of ($name_*) and any of ($click_*)) or
            any of ($save_*)
        )
}

rule HTML_Smuggling : html
{
    meta:
        description = "Page that carries a program, archive or disk image and saves it by itself"
        severity = "suspicious"
        reference = "MITRE ATT&CK T1027.006"

    strings:
        // The first bytes of a PE, ZIP, RAR, 7z, cabinet, OLE2 and shortcut file in base64.
        $program = /["'`,](TVqQAA|TVpQAA|TVoAAA|TVpAAA|TVpFUg)/ ascii wide
        $archive = /["'`,](UEsDB[AB]|UmFyIRoH|N3q8ryccA|TVNDRgAAA)/ ascii wide
        $other = /["'`,](0M8R4KGxGu|TAAAAAEUAg)/ ascii wide
        // An ISO image begins with 32 KiB of zero bytes.
        $zeros_1 = "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" ascii wide
        $zeros_2 = "'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" ascii wide
        $zeros_3 = "`AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" ascii wide
        $zeros_4 = ",AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" ascii wide
        // The same as numbers of an array, and as hex digits.
        $numbers = /\[[ ]?(77,[ ]?90,[ ]?(144|80|0),[ ]?0,|80,[ ]?75,[ ]?3,[ ]?4,)/ ascii wide
        $hex_numbers = /\[[ ]?(0x4d,[ ]?0x5a,|0x50,[ ]?0x4b,[ ]?0x0?3,)/ ascii wide nocase
        $hex = /["'`](4d5a[0-9a-f]{2}000[0-9]0000|504b0304[0-9a-f]{4}00)/ ascii wide nocase

    condition:
        Page_That_Saves_A_File and any of them
}

rule HTML_Decodes_And_Saves : html
{
    meta:
        description = "Page that decodes a long text and saves the result by itself"
        severity = "info"
        reference = "MITRE ATT&CK T1027.006"

    strings:
        $decode = /atob[ ]?\(/ ascii wide

    condition:
        Page_That_Saves_A_File and $decode and filesize > 4096 and
        // A long text, whatever holds it, fills one of 15 places spread over the page.
        for any place in (1..15) : (
            for all i in (0..255) : (
                (
                    uint8(filesize \ 16 * place + i) >= 0x61 and
                    uint8(filesize \ 16 * place + i) <= 0x7A
                ) or
                (
                    uint8(filesize \ 16 * place + i) >= 0x41 and
                    uint8(filesize \ 16 * place + i) <= 0x5A
                ) or
                (
                    uint8(filesize \ 16 * place + i) >= 0x2F and
                    uint8(filesize \ 16 * place + i) <= 0x39
                ) or
                uint8(filesize \ 16 * place + i) == 0x2B
            )
        )
}
