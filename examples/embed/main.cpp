// SPDX-License-Identifier: MIT
// The README's example, made a program: fetches an address into a directory, but only what was
// looked at first. Exit code: 0 saved, 1 not saved.
#include <SecurityTap/network/TapAccessManager.h>
#include <SecurityTap/network/TapReply.h>
#include <SecurityTap/plugin/SecurityTapPlugin.h>

#include <QCoreApplication>

#include <cstdio>

using namespace Sentinel;

namespace {

int say(const QString &text)
{
    std::printf("%s\n", qPrintable(text));
    return 0;
}

int complain(const QString &text)
{
    std::fprintf(stderr, "%s\n", qPrintable(text));
    return 1;
}

} // namespace

int main(int argc, char *argv[])
{
    QCoreApplication application(argc, argv);
    if (argc != 3)
        return complain(QStringLiteral("usage: sentinel-embed <url> <directory>"));
    const QUrl url(application.arguments().at(1));
    const QString directory = application.arguments().at(2);
    const auto quit = [](int code) { QCoreApplication::exit(code); };

    // README: begin
    SecurityTapPlugin plugin{TapSettings()}; // compiles the rules and starts the workers
    if (!plugin.tap())
        return complain(plugin.errorString());
    TapAccessManager network(plugin); // in the place of a QNetworkAccessManager
    auto *reply = qobject_cast<TapReply *>(network.get(QNetworkRequest(url)));
    QObject::connect(reply, &QNetworkReply::finished, [=] {
        if (reply->error() != QNetworkReply::NoError) // blocked, or cut off: no byte came out
            return quit(complain(reply->errorString()));
        const auto saved = reply->releaseInto(directory, url.fileName(), ExistingFile::Keep);
        quit(saved ? say(describe(reply->outcome()->result)) : complain(saved.error().message));
    });
    // README: end

    return application.exec();
}
