// SPDX-License-Identifier: MIT
#include "Sentinel/AllowCommand.h"
#include "Sentinel/ConfigCommand.h"
#include "Sentinel/DoctorCommand.h"
#include "Sentinel/ExitCode.h"
#include "Sentinel/FetchCommand.h"
#include "Sentinel/LogCommand.h"
#include "Sentinel/Output.h"
#include "Sentinel/PathText.h"
#include "Sentinel/PolicyCommand.h"
#include "Sentinel/QuarantineCommand.h"
#include "Sentinel/ReloadCommand.h"
#include "Sentinel/RulesCommand.h"
#include "Sentinel/ScanCommand.h"
#include "Sentinel/ServeCommand.h"
#include "Sentinel/StatusCommand.h"
#include "Sentinel/worker/WorkerParentLoop.h"

#include <QCoreApplication>
#include <QLoggingCategory>

#include <array>
#include <clocale>
#include <csignal>
#include <cstring>
#include <langinfo.h>

namespace {

constexpr char usage[] = R"(Usage: sentinel COMMAND [OPTION]... [ARGUMENT]...

Looks for threats in files and downloads, by YARA rules.

Commands:
  scan PATH...          scan files and directories
  fetch URL             download a file through inspection
  rules check PATH...   compile rules and say what is wrong with them
  serve                 scan for browsers and other commands
  status                say how a running sentinel is
  reload                have a running sentinel read its rules again
  doctor                check whether everything is in place
  log                   show what has happened: the audit log
  config check [FILE]   say what is wrong with settings
  config show           show the settings in force
  config example        print a file of settings to begin with
  policy explain        say what would be done with a download, and why
  policy replay LOG     say what another policy would have done
  allow add|list|remove
                        exceptions: what is allowed although it is a threat
  quarantine list       list what was put away; also: show ID, restore ID,
                        delete ID..., purge

Options:
  -h, --help            show this help; COMMAND --help shows a command's
      --version         show the version

Exit codes: 0 good, 2 usage error or trouble; the others are a command's own.)";

struct Command {
    const char *name;
    int (*run)(const QByteArrayList &arguments);
};

constexpr std::array commands{
    Command{"scan", &Sentinel::runScan},
    Command{"fetch", &Sentinel::runFetch},
    Command{"rules", &Sentinel::runRules},
    Command{"serve", &Sentinel::runServe},
    Command{"status", &Sentinel::runStatus},
    Command{"reload", &Sentinel::runReload},
    Command{"doctor", &Sentinel::runDoctor},
    Command{"log", &Sentinel::runLog},
    Command{"config", &Sentinel::runConfig},
    Command{"policy", &Sentinel::runPolicy},
    Command{"allow", &Sentinel::runAllow},
    Command{"quarantine", &Sentinel::runQuarantine},
};

//! Qt complains to the user about a locale that is not UTF-8, and changes it: so do we, silently.
void useUtf8()
{
    std::setlocale(LC_ALL, "");
    if (std::strcmp(::nl_langinfo(CODESET), "UTF-8") != 0)
        qputenv("LC_ALL", "C.UTF-8");
}

int run(const QByteArrayList &arguments)
{
    const QByteArray command = arguments.value(0);
    for (const Command &known : commands) {
        if (command == known.name)
            return known.run(arguments.sliced(1));
    }

    Sentinel::Output output;
    if (command == "--help" || command == "-h") {
        output.result(QByteArray(usage));
    } else if (command == "--version") {
        output.result(QByteArray("sentinel " SENTINEL_VERSION));
    } else {
        output.message(command.isEmpty()
                ? QStringLiteral("a command is missing (see: sentinel --help)")
                : QStringLiteral("there is no command %1 (see: sentinel --help)")
                      .arg(Sentinel::pathForPeople(command)));
        return Sentinel::exitTrouble;
    }
    return output.flush() ? Sentinel::exitGood : Sentinel::exitTrouble;
}

} // namespace

int main(int argc, char *argv[])
{
    // Before Qt sees them: it would make text of names that are none.
    QByteArrayList arguments;
    for (int i = 1; i < argc; ++i)
        arguments.append(argv[i]);
    useUtf8();
    // Of ours alone: no threads, no application object, nothing that a fork could break.
    if (arguments.value(0) == "worker-parent")
        return Sentinel::runWorkerParent(arguments.sliced(1));
    std::signal(
        SIGXFSZ, SIG_IGN); // a limit on file sizes is an error to be told, not a reason to die
    if (arguments.value(0) == "serve")
        qputenv(
            "QT_NO_GLIB", "1"); // Qt's own event loop wakes sooner, and nobody here needs glib's
    const QCoreApplication application(argc, argv);
    // What the library warns of, the commands say themselves.
    QLoggingCategory::setFilterRules(
        QStringLiteral("sentinel.*.debug=false\nsentinel.*.info=false\nsentinel.*.warning=false"));
    return run(arguments);
}
