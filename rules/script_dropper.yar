// SPDX-License-Identifier: MIT
//
// Scripts and shortcuts that fetch a program and start it. A dot is written \x2E in some strings,
// and a space [ ] in some expressions, so that this text does not match its own rules.
//
// No expression runs on over the rest of a line: a file full of its beginnings would then take
// minutes. What belongs together is found apart, and the distance asked for in the condition, in
// files small enough for that.

// What may be a script: text of a script's size whose name does not say documentation, which
// quotes commands and opens in a viewer.
private rule Script_Text
{
    condition:
        filesize < 1MB and uint16(0) != 0x5A4D and
        (
            (uint8(0) >= 0x20 and uint8(0) < 0x7F) or
            uint8(0) == 0x09 or uint8(0) == 0x0A or uint8(0) == 0x0D or
            uint16(0) == 0xFEFF or uint16(0) == 0xFFFE or uint16(0) == 0xBBEF
        ) and
        not extension matches /^\.(md|markdown|rst|adoc|txt|log|csv|json|ya?ml|html?|xhtml|pot?)$/i
}

rule PowerShell_Download_Cradle : script powershell
{
    meta:
        description = "PowerShell that runs what it downloads, without a file"
        severity = "suspicious"
        reference = "MITRE ATT&CK T1059.001, T1105"

    strings:
        $fetch_text = /\.download(string|data)[ ]?\(/ ascii wide nocase
        $fetch_short = /(iwr|irm)[ ]["'(hu$-]/ ascii wide nocase
        $fetch_long = /invoke-(webrequest|restmethod)[ ]/ ascii wide nocase
        $run_call = /(iex|invoke-expression)[ ]?[("'&]/ ascii wide nocase
        $run_pipe = /\|[ ]{0,2}(iex|invoke-expression)/ ascii wide nocase
        $client = /net\.webclient/ ascii wide nocase
        $run_variable = /(iex|invoke-expression)[ ]?\(?\$/ ascii wide nocase

    condition:
        Script_Text and filesize < 128KB and
        (
            // The first hundred: every pair in a file of nothing else would take seconds.
            for any of ($fetch_*) : (
                for any i in (1..100) : (
                    $run_call in (@[i] - 320..@[i]) or $run_pipe in (@[i]..@[i] + 600)
                )
            ) or
            (filesize < 16KB and $client and $fetch_text and $run_variable)
        )
}

rule PowerShell_Hidden_Download : script powershell
{
    meta:
        description = "PowerShell that downloads a file with its window hidden"
        severity = "suspicious"
        reference = "MITRE ATT&CK T1564.003, T1105"

    strings:
        $powershell = "powershell" ascii wide nocase
        $hidden = /-w(in|indowstyle)?[ ]{1,4}["']?(hidden|hid[ ]|1[ ])/ ascii wide nocase
        $file = /\.downloadfile[ ]?\(/ ascii wide nocase
        $web = /-outfile[ ]/ ascii wide nocase
        $bits = /start-bitstransfer[ ]/ ascii wide nocase

    condition:
        Script_Text and filesize < 64KB and
        $powershell and $hidden and ($file or $web or $bits)
}

rule PowerShell_Encoded_Command : script powershell
{
    meta:
        description = "PowerShell with a command in base64"
        severity = "suspicious"
        reference = "MITRE ATT&CK T1027.010; about_PowerShell_exe, -EncodedCommand"

    strings:
        $powershell = /p(owershell|wsh)(\.exe)?["']?[ ]/ ascii wide nocase
        // The command is UTF-16: of three ASCII characters and their zero bytes, base64 makes eight
        // of which the second, third, fifth, sixth and eighth are known almost wholly.
        $long =
            /-enc[a-z]{0,11}[ ]{1,4}["']?\w[AQgw][AB][\w+\/]A[A-H]\wA\w[AQgw][AB][\w+\/]A[A-H]\wA/
                ascii wide nocase
        $short =
            /[ ]-ec?[ ]{1,4}["']?\w[AQgw][AB][\w+\/]A[A-H]\wA\w[AQgw][AB][\w+\/]A[A-H]\wA/
                ascii wide nocase
        $inner_run = "Invoke-Expression" wide base64
        $inner_fetch = "DownloadString" wide base64
        $inner_client = "Net.WebClient" wide base64

    condition:
        Script_Text and $powershell and ($long or $short or any of ($inner_*))
}

rule Script_Host_Dropper : script jscript vbscript
{
    meta:
        description = "JScript or VBScript that downloads a file, writes it and runs it"
        severity = "suspicious"
        reference = "MITRE ATT&CK T1059.005, T1059.007"

    strings:
        $shell_1 = "wscript\x2Eshell" ascii wide nocase
        $shell_2 = "shell\x2Eapplication" ascii wide nocase
        $web_1 = "msxml2\x2Exmlhttp" ascii wide nocase
        $web_2 = "msxml2\x2Eserverxmlhttp" ascii wide nocase
        $web_3 = "microsoft\x2Exmlhttp" ascii wide nocase
        $web_4 = "winhttp\x2Ewinhttprequest" ascii wide nocase
        $stream = "adodb\x2Estream" ascii wide nocase
        $save = "savetofile" ascii wide nocase
        $run_1 = /\.run[ ]?["'(a-z]/ ascii wide nocase
        $run_2 = /\.exec[ ]?["'(a-z]/ ascii wide nocase
        $run_3 = /\.shellexecute[ ]?["'(a-z]/ ascii wide nocase

    condition:
        Script_Text and filesize < 512KB and
        any of ($shell_*) and any of ($web_*) and $stream and $save and any of ($run_*)
}

rule Script_Host_Obfuscated : script jscript vbscript
{
    meta:
        description = "Windows script that builds most of its text from character codes"
        severity = "suspicious"
        reference = "MITRE ATT&CK T1027"

    strings:
        $host_1 = "wscript\x2E" ascii wide nocase
        $host_2 = /createobject[ ]?\(/ ascii wide nocase
        $host_3 = /activexobject[ ]?\(/ ascii wide nocase
        $run_1 = /execute(global)?[ (]/ ascii wide nocase
        $run_2 = /eval[ ]?\(/ ascii wide nocase
        $code_1 = /chrw?[ ]?\([ ]?(&h)?[0-9a-f]{2,4}/ ascii wide nocase
        $code_2 = /fromcharcode[ ]?\([ ]?[0-9]{2,3}/ ascii wide nocase

    condition:
        Script_Text and filesize < 512KB and
        any of ($host_*) and any of ($run_*) and
        // Character codes stand for more than an eighth of the text.
        (#code_1 > 40 and #code_1 * 64 > filesize or #code_2 > 40 and #code_2 * 128 > filesize)
}

rule Batch_Downloader : script batch
{
    meta:
        description = "Batch file that downloads with a tool of the system and starts the result"
        severity = "suspicious"
        reference = "MITRE ATT&CK T1105, T1197"

    strings:
        $certutil = "certutil" ascii nocase
        $certutil_fetch = /[-\/]urlcache[ ]/ ascii nocase
        $bitsadmin = "bitsadmin" ascii nocase
        $bitsadmin_fetch = /[ ]\/(transfer|addfile)[ ]/ ascii nocase
        $start = /start[ ]{1,3}(\/b|\/min|\/wait|"|%|[a-z]:\\)/ ascii nocase
        $call = /call[ ]{1,3}["%]/ ascii nocase
        $path = /[\r\n&][ ]?"?%(te?mp|(local)?appdata|public|programdata)%\\/ ascii nocase

    condition:
        Script_Text and filesize < 64KB and
        (($certutil and $certutil_fetch) or ($bitsadmin and $bitsadmin_fetch)) and
        ($start or $call or $path)
}

rule Batch_With_Encoded_Program : script batch
{
    meta:
        description = "Batch file that decodes a program from its own text"
        severity = "suspicious"
        reference = "MITRE ATT&CK T1140"

    strings:
        $certutil = "certutil" ascii nocase
        $decode = /[-\/]decode(hex)?[ ]{1,3}["']?%~?[dpnxf]{0,4}0/ ascii nocase
        $block = /-----BEGIN[ ]CERTIFICATE-----[\r\n]{1,2}(TVqQ|TVpQ|TVoA|TVpA|UEsDB|0M8R4K)/ ascii

    condition:
        Script_Text and $certutil and ($decode or $block)
}

rule Script_Engine_From_Network : script
{
    meta:
        description = "Command that has a part of Windows run a script from an address"
        severity = "suspicious"
        reference = "MITRE ATT&CK T1218.005, T1218.010, T1218.011"

    strings:
        $mshta =
            /mshta(\.exe)?["']?[ ]{1,4}["']?(https?:|vbscript:|javascript:|\\\\)/ ascii wide nocase
        $rundll32 = /rundll32(\.exe)?["']?[ ]{1,4}["']?javascript:/ ascii wide nocase
        $regsvr32 = "regsvr32" ascii wide nocase
        $scriptlet = /\/i:["']?https?:/ ascii wide nocase

    condition:
        Script_Text and filesize < 256KB and ($mshta or $rundll32 or ($regsvr32 and $scriptlet))
}

rule Shell_Pipes_Download_To_Shell : script shell
{
    meta:
        description = "Short shell script that runs what it downloads"
        severity = "info"
        reference = "MITRE ATT&CK T1059.004"

    strings:
        $fetch = /(curl|wget)[ ]/ ascii
        $pipe = /\|[ ]?(sudo[ ])?(-E[ ])?(\/bin\/)?(ba|da|z|k)?sh\b/ ascii
        $substitute = /(eval|sh[ ]-c)[ ]{1,2}["']?(\$\(|`)(curl|wget)[ ]/ ascii
        $process = /sh[ ]{1,2}<\((curl|wget)[ ]/ ascii

    condition:
        Script_Text and filesize < 16KB and
        (uint16(0) == 0x2123 or extension == ".sh" or extension == ".command") and
        (
            $substitute or $process or
            for any i in (1..#pipe) : ( $fetch in (@pipe[i] - 200..@pipe[i]) )
        )
}

rule Shell_Dropper : script shell
{
    meta:
        description = "Short shell script that fetches a program from a bare address and runs it"
        severity = "suspicious"
        reference = "MITRE ATT&CK T1059.004, T1105; RFC 1918 and RFC 3927 (local addresses)"

    strings:
        $fetch = /(curl|wget|tftp|ftpget)[ ]/ ascii
        $bare = /(https?|ftp):\/\/([0-9]{1,3}\.){3}[0-9]{1,3}[:\/]/ ascii
        $local =
            /(https?|ftp):\/\/(0\.0|10|127|169\.254|172\.(1[6-9]|2[0-9]|3[01])|192\.168)\./ ascii
        $pipe = /\|[ ]?(sudo[ ])?(-E[ ])?(\/bin\/)?(ba|da|z|k)?sh\b/ ascii
        $chmod = /chmod[ ](-R[ ])?(\+x|[au]\+x|0?7[0-7]{2})[ ]/ ascii
        $decoded = /base64[ ](-d|-D|-di|--decode)[ ]{0,2}\|[ ]{0,2}(ba|da|z|k)?sh\b/ ascii
        $temporary = /(\/tmp|\/dev\/shm)[\/;& \r\n]/ ascii
        $then_chmod = /(;|&&)[ ]?chmod[ ]/ ascii
        $then_run_1 = ";./" ascii
        $then_run_2 = "; ./" ascii
        $then_run_3 = "&&./" ascii
        $then_run_4 = "&& ./" ascii
        $then_run_5 = /[;&][ ]?(\/tmp|\/dev\/shm)\// ascii

    condition:
        Script_Text and filesize < 16KB and
        (
            uint16(0) == 0x2123 or extension == ".sh" or extension == ".command" or
            extension == ""
        ) and
        (
            $decoded or
            ($fetch and #bare > #local and ($pipe or $chmod)) or
            (
                $temporary and
                // In one line: fetch; make executable; run.
                for any i in (1..#then_chmod) : (
                    $fetch in (@then_chmod[i] - 300..@then_chmod[i]) and
                    for any of ($then_run_*) : (
                        $ in (@then_chmod[i]..@then_chmod[i] + 200)
                    )
                )
            )
        )
}

rule Desktop_Entry_Dropper : shortcut
{
    meta:
        description = "Desktop entry whose command downloads or decodes what it runs"
        severity = "suspicious"
        reference = "freedesktop.org Desktop Entry Specification"

    strings:
        $group = "[Desktop Entry]" ascii
        $exec = /\nExec[ ]?=/ ascii
        $command = /((curl|wget)[ ]|base64[ ]-|\/dev\/(tcp|shm)\/)/ ascii

    condition:
        filesize < 16KB and $group in (0..2048) and
        for any i in (1..#exec) : ( $command in (@exec[i]..@exec[i] + 400) )
}

// By its name, or by its element in what begins like a page: with a tag, white space or a byte
// order mark.
private rule HTML_Application_Text
{
    strings:
        $tag = /<hta:application[ \t\r\n\/>]/ ascii wide nocase

    condition:
        filesize < 4MB and uint16(0) != 0x5A4D and
        (
            extension == ".hta" or
            (
                $tag in (0..8192) and
                (
                    uint8(0) == 0x3C or uint8(0) == 0x20 or uint8(0) == 0x09 or
                    uint8(0) == 0x0A or uint8(0) == 0x0D or
                    uint16(0) == 0xFEFF or uint16(0) == 0xBBEF
                )
            )
        )
}

rule HTML_Application : script hta
{
    meta:
        description = "HTML application: a page that runs as a program"
        severity = "info"
        reference = "Microsoft HTML Applications (HTA) reference"

    condition:
        HTML_Application_Text
}

rule HTML_Application_Runs_Commands : script hta
{
    meta:
        description = "HTML application that starts other programs"
        severity = "suspicious"
        reference = "MITRE ATT&CK T1218.005"

    strings:
        $script = "<script" ascii wide nocase
        $shell_1 = "wscript\x2Eshell" ascii wide nocase
        $shell_2 = "shell\x2Eapplication" ascii wide nocase
        $shell_3 = "win32_process" ascii wide nocase
        $shell_4 = "powershell" ascii wide nocase

    condition:
        HTML_Application_Text and $script and any of ($shell_*)
}

rule Shell_Link : shortcut lnk
{
    meta:
        description = "Windows shortcut"
        severity = "info"
        reference = "[MS-SHLLINK] 2.1 ShellLinkHeader"

    condition:
        // HeaderSize, then LinkCLSID 00021401-0000-0000-C000-000000000046.
        uint32(0) == 0x0000004C and uint32(4) == 0x00021401 and uint32(8) == 0 and
        uint32(12) == 0x000000C0 and uint32(16) == 0x46000000
}

rule Shell_Link_Runs_Interpreter : shortcut lnk
{
    meta:
        description = "Windows shortcut that hands arguments to a command interpreter"
        severity = "suspicious"
        reference = "[MS-SHLLINK] 2.1.1 LinkFlags; MITRE ATT&CK T1204.002"

    strings:
        $tool_1 = "powershell" ascii wide nocase
        $tool_2 = "pwsh\x2Eexe" ascii wide nocase
        $tool_3 = "cmd\x2Eexe" ascii wide nocase
        $tool_4 = "mshta" ascii wide nocase
        $tool_5 = "wscript" ascii wide nocase
        $tool_6 = "cscript" ascii wide nocase
        $tool_7 = "rundll32" ascii wide nocase
        $tool_8 = "regsvr32" ascii wide nocase
        $tool_9 = "msiexec" ascii wide nocase
        $tool_10 = "forfiles" ascii wide nocase
        $tool_11 = "conhost\x2Eexe" ascii wide nocase
        $tool_12 = "certutil" ascii wide nocase
        $tool_13 = "bitsadmin" ascii wide nocase

    condition:
        // LinkFlags bit 5: HasArguments.
        Shell_Link and (uint32(20) & 0x20) != 0 and any of ($tool_*)
}

rule Internet_Shortcut_To_Remote_File : shortcut
{
    meta:
        description = "Internet shortcut that opens a file of another machine"
        severity = "suspicious"
        reference = "CVE-2023-36025; MITRE ATT&CK T1204.001"

    strings:
        $group = "[InternetShortcut]" ascii nocase
        // file: with a host, or a UNC path.
        $target =
            /\nurl[ ]?=[ ]?["']?(file:\/\/[a-z0-9]|file:\/\/\/\/|file:\\\\|\\\\[a-z0-9])/
                ascii nocase

    condition:
        filesize < 64KB and $group in (0..4096) and $target
}
