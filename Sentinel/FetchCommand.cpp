// SPDX-License-Identifier: MIT
#include "Sentinel/FetchCommand.h"

#include "SecurityTap/content/FileName.h"
#include "SecurityTap/plugin/SecurityTapPlugin.h"
#include "Sentinel/BackendStart.h"
#include "Sentinel/CommandLine.h"
#include "Sentinel/Fetch.h"
#include "Sentinel/PathText.h"
#include "Sentinel/ResultJson.h"
#include "Sentinel/SettingOptions.h"
#include "Sentinel/SignalWatch.h"

#include <QCoreApplication>
#include <QFile>
#include <QTimer>

#include <array>

namespace Sentinel {

namespace {

constexpr std::array fetchOptions{
    configOption,
    rulesOption,
    isolationOption,
    socketOption,
    OptionSpec{"json", 0, nullptr, false, "the outcome as one JSON object"},
    failClosedOption,
    failOpenOption,
    OptionSpec{"force", 0, nullptr, false, "replace a file of that name"},
    OptionSpec{"private", 0, nullptr, false, "do not write down with the file where it came from"},
    OptionSpec{"output", 'o', "FILE|DIR", false,
        "where to put the file (default: the current directory,\nunder the name that the server "
        "proposes)"},
};

constexpr CommandSpec fetchSpec{
    "fetch",
    "URL",
    "Downloads a file by http or https. It appears in its place after its verdict, complete, or\n"
    "not at all.",
    fetchOptions,
    "  0  released: clean, or a threat that an exception or the policy allows\n"
    "  1  a threat, and withheld\n"
    "  2  usage, settings, rule, network or storage error, or cancelled; nothing was released\n"
    "  3  not scanned; released, except with --fail-closed: the message\n     says why\n",
    1,
    1,
};

std::expected<QUrl, QString> urlOf(const QByteArray &argument)
{
    const QUrl url(QString::fromUtf8(argument), QUrl::StrictMode);
    const QString shown = pathForPeople(argument);
    if (!url.isValid() || url.host().isEmpty())
        return std::unexpected(QStringLiteral("%1 is not a URL of http or https").arg(shown));
    if (url.scheme() != QStringLiteral("http") && url.scheme() != QStringLiteral("https"))
        return std::unexpected(QStringLiteral("%1: only http and https are fetched").arg(shown));
    return url;
}

QByteArray jsonOf(const Fetch::Report &report)
{
    const bool hasOutcome = report.outcome.has_value();
    QJsonObject object =
        toJson(hasOutcome ? report.outcome->result : ScanResult::notScanned(Reason::Incomplete));
    object.insert(
        QStringLiteral("url"), report.url.toString(QUrl::FullyEncoded | QUrl::RemovePassword));
    object.insert(
        QStringLiteral("size"), hasOutcome ? QJsonValue(report.outcome->sizeBytes) : QJsonValue());
    object.insert(QStringLiteral("disposition"),
        nameOf(hasOutcome ? report.outcome->disposition : Disposition::Block));
    object.insert(
        QStringLiteral("clause"), hasOutcome ? QJsonValue(report.outcome->clause) : QJsonValue());
    const bool hasItem = hasOutcome && !report.outcome->item.isEmpty();
    object.insert(
        QStringLiteral("item"), hasItem ? QJsonValue(report.outcome->item) : QJsonValue());
    object.insert(QStringLiteral("path"), QJsonValue());
    if (!report.path.isEmpty())
        setPath(object, QFile::encodeName(report.path));
    object.insert(
        QStringLiteral("error"), report.hasFailed ? QJsonValue(report.message) : QJsonValue());
    return jsonLine(object);
}

QString lateThreatText(const LateThreat &threat, Disposition taken)
{
    const QString path = threat.record.path;
    return QStringLiteral("A threat in what was fetched before: %1: %2; %3")
        .arg(path.isEmpty() ? QStringLiteral("(no file)") : printable(path),
            describe(threat.result),
            taken == Disposition::Quarantine ? QStringLiteral("it is in quarantine now")
                                             : QStringLiteral("it is still there"));
}

TapSettings tapSettings(const SettingsInForce &inForce)
{
    const ProgramSettings &values = inForce.values();
    TapSettings settings;
    settings.isolation = values.isolation;
    settings.sentinel = sentinelSettings(inForce);
    settings.rulePaths = values.rulePaths;
    settings.rules = values.ruleOptions();
    settings.scanning = values.scanning;
    settings.policy = values.policy();
    settings.custody = values.custody();
    // A fetch may be the only one who comes by: what is due is done at once.
    settings.custody->jobs.startDelay = {};
    // It does not judge what was fetched before, whose rules may have been others on purpose.
    settings.custody->rescans.maxJudgedAgain = 0;
    return settings;
}

int fetch(const QUrl &url, FetchTarget target, TapSettings settings, const CommandLine &line,
    Output &output)
{
    const bool asJson = line.has("json");
    SecurityTapPlugin plugin(std::move(settings));
    if (!plugin.tap()) {
        for (const QString &problem : plugin.errorString().split(u'\n', Qt::SkipEmptyParts))
            output.message(printable(problem));
        return exitTrouble;
    }
    QObject::connect(plugin.tap(), &SecurityTap::lateThreat, &plugin,
        [&output](const LateThreat &threat, Disposition taken) {
            output.message(lateThreatText(threat, taken));
        });
    QObject::connect(plugin.tap(), &SecurityTap::custodyTrouble, &plugin,
        [&output](const QString &text) { output.message(printable(text)); });
    SignalWatch signalWatch;
    Fetch fetch(plugin, output, std::move(target),
        line.has("private") ? Download::Privacy::Private : Download::Privacy::Usual);
    QObject::connect(&signalWatch, &SignalWatch::interrupted, &fetch, &Fetch::cancel);
    QObject::connect(&fetch, &Fetch::ended, &fetch, [&](const Fetch::Report &report) {
        if (asJson)
            output.result(jsonOf(report));
        if (asJson || report.code != exitGood)
            output.message(report.message);
        else
            output.result(report.message);
        const bool isWritten = output.flush();
        if (!isWritten)
            output.message(QStringLiteral("The result could not be written."));
        QCoreApplication::exit(isWritten || report.code != exitGood ? report.code : exitTrouble);
    });
    const auto begin = [&fetch, &url] { fetch.start(url); };
    if (plugin.tap()->settings().isolation == Isolation::InProcess) {
        QTimer::singleShot(0, &fetch, begin);
        return QCoreApplication::exec();
    }
    // Nothing is fetched before it is known that somebody can look at it.
    QObject::connect(plugin.tap(), &SecurityTap::scannerChanged, &fetch,
        [&](ScannerState state, const QString &text) {
            if (state == ScannerState::Connecting)
                return;
            plugin.tap()->disconnect(&fetch);
            if (state == ScannerState::Open)
                return begin();
            output.message(printable(text));
            QCoreApplication::exit(exitTrouble);
        });
    return QCoreApplication::exec();
}

} // namespace

int runFetch(const QByteArrayList &arguments)
{
    Output output;
    const auto line = parseOrExplain(fetchSpec, arguments, output);
    if (!line)
        return line.error();
    const auto url = urlOf(line->arguments().first());
    if (!url) {
        output.message(url.error());
        return exitTrouble;
    }
    const auto target = fetchTarget(
        line->value("output"), line->has("force") ? ExistingFile::Replace : ExistingFile::Keep);
    if (!target) {
        output.message(target.error());
        return exitTrouble;
    }
    if (!target->name.isEmpty()) {
        if (const auto inTheWay = obstacle(*target, target->name)) {
            output.message(*inTheWay);
            return exitTrouble;
        }
    }
    const auto settings = scanSettingsOrExplain(*line, output);
    if (!settings)
        return settings.error();
    return fetch(*url, *target, tapSettings(*settings), *line, output);
}

} // namespace Sentinel
