// SPDX-License-Identifier: MIT
// Says what SecurityTap thinks of one file. Exit code: 0 clean, 1 a threat, 2 not scanned.
#include <SecurityTap/inspection/SecurityTap.h>

#include <QCoreApplication>
#include <QFile>
#include <QFileInfo>

#include <cstdio>

using namespace Sentinel;

int main(int argc, char *argv[])
{
    const QCoreApplication application(argc, argv);
    QFile file(application.arguments().value(1));
    if (!file.open(QIODevice::ReadOnly)) {
        std::fprintf(stderr, "usage: consumer <file>\n");
        return 2;
    }

    TapSettings settings;
    settings.rulePaths = QStringList{QStringLiteral(RULES_DIRECTORY)};
    const auto tap = SecurityTap::create(settings);
    if (!tap) {
        for (const RuleProblem &problem : tap.error())
            std::fprintf(stderr, "%s\n", qPrintable(describe(problem)));
        return 2;
    }

    DownloadMetadata metadata;
    metadata.filename = QFileInfo(file).fileName();
    const Outcome outcome = (*tap)->inspectDownload(metadata, file.readAll());
    std::printf("%s\n", qPrintable(describe(outcome.result)));
    if (outcome.result.isThreat())
        return 1;
    return outcome.result.verdict() == Verdict::Clean ? 0 : 2;
}
