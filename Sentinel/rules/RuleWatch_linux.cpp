// SPDX-License-Identifier: MIT
#include "Sentinel/rules/RuleWatch.h"

#include "SecurityTap/content/Sha256.h"
#include "SecurityTap/engine/RuleFiles.h"

#include <QDir>
#include <QFile>

#include <array>
#include <cerrno>
#include <filesystem>
#include <utility>

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

namespace Sentinel {

namespace {

//! What changes which files there are, and what they are.
constexpr uint32_t changesOfNames = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB;
//! QFileSystemWatcher would need a watch for each file to see this.
constexpr uint32_t changesOfTexts = IN_MODIFY | IN_CLOSE_WRITE;

} // namespace

//! One look at all there is: sets up the watches on its way, each before what it watches is read,
//! so that no change falls in between.
class RuleWatch::Survey {
public:
    explicit Survey(int events) : m_events(events) { }

    void take(const QString &path);

    QByteArray fingerprint() { return m_hash.result(); }
    std::map<int, Place> places;
    QString trouble;

private:
    Place *watch(const QString &directory, uint32_t changes);
    void followWay(const QString &path);
    void takeDirectory(const QString &root);
    void takeFile(const QString &path);

    const int m_events;
    int m_directories = 0;
    int m_files = 0;
    Sha256 m_hash;
};

void RuleWatch::Survey::take(const QString &path)
{
    followWay(path);
    if (QFileInfo(path).isDir())
        takeDirectory(path);
    else
        takeFile(path);
}

//! Null if it cannot be watched.
RuleWatch::Place *RuleWatch::Survey::watch(const QString &directory, uint32_t changes)
{
    const int number = ::inotify_add_watch(
        m_events, QFile::encodeName(directory).constData(), changes | IN_ONLYDIR | IN_MASK_ADD);
    if (number >= 0)
        return &places[number];
    // What has gone just now is an event above; what lies on the way may be closed to us.
    const bool isOnTheWay = changes == changesOfNames;
    if (errno != ENOENT && errno != ENOTDIR && !(errno == EACCES && isOnTheWay))
        trouble = QStringLiteral("%1 cannot be watched: %2").arg(directory, qt_error_string());
    return nullptr;
}

//! Watches for every name and every link on the way to \p path, as far as it leads today.
void RuleWatch::Survey::followWay(const QString &path)
{
    QStringList ahead = path.split(u'/', Qt::SkipEmptyParts);
    QString here = QStringLiteral("/");
    int links = 0;
    while (!ahead.isEmpty()) {
        const QString name = ahead.takeFirst();
        if (name == u".")
            continue;
        if (name == u"..") {
            here = QFileInfo(here).path(); // no link itself
            continue;
        }
        if (Place *place = watch(here, changesOfNames))
            place->names.insert(QFile::encodeName(name));
        const QString next = QDir(here).filePath(name);
        const QFileInfo info(next);
        if (info.isSymLink()) {
            std::error_code error;
            const auto read =
                std::filesystem::read_symlink(QFile::encodeName(next).toStdString(), error);
            const QString target = QFile::decodeName(read.c_str());
            if (error || ++links > Limits::maxPathLinks)
                return;
            ahead = target.split(u'/', Qt::SkipEmptyParts) + ahead;
            if (target.startsWith(u'/'))
                here = QStringLiteral("/");
            continue;
        }
        if (!info.isDir()) {
            watch(here, changesOfTexts); // it may be a rule file, to be written in its place
            return;
        }
        here = next;
    }
}

void RuleWatch::Survey::takeDirectory(const QString &root)
{
    QStringList left{root};
    while (!left.isEmpty()) {
        const QString directory = left.takeLast();
        if (++m_directories > Limits::maxRuleDirectories) {
            trouble =
                QStringLiteral("%1 holds more than %2 directories: the others are not watched")
                    .arg(root)
                    .arg(Limits::maxRuleDirectories);
            return;
        }
        if (Place *place = watch(directory, changesOfNames | changesOfTexts))
            place->isOfRules = true;
        const auto entries = QDir(directory).entryInfoList(
            QDir::AllEntries | QDir::System | QDir::NoDotAndDotDot, QDir::Name);
        for (const QFileInfo &entry : entries) {
            if (entry.isDir() && !entry.isSymLink())
                left.append(entry.filePath());
            else if (isRuleFileName(entry.fileName()))
                takeFile(entry.filePath());
        }
    }
}

void RuleWatch::Survey::takeFile(const QString &path)
{
    if (++m_files > Limits::maxRuleFiles)
        return; // the compiler says so
    const QByteArray name = QFile::encodeName(path);
    struct stat status { };
    ::stat(name.constData(), &status); // none: zeros
    const std::array<quint64, 6> figures{quint64(name.size()), quint64(status.st_dev),
        quint64(status.st_ino), quint64(status.st_size), quint64(status.st_mtim.tv_sec),
        quint64(status.st_mtim.tv_nsec)};
    m_hash.add({reinterpret_cast<const uchar *>(figures.data()), sizeof figures});
    m_hash.add({reinterpret_cast<const uchar *>(name.constData()), size_t(name.size())});
}

RuleWatch::RuleWatch(QStringList paths, Times times)
    : m_paths([&paths] {
        for (QString &path : paths)
            path = QDir::current().absoluteFilePath(path);
        return std::move(paths);
    }())
    , m_times(times)
    , m_events(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC))
{
    m_quiet.setSingleShot(true);
    m_unrest.setSingleShot(true);
    connect(&m_quiet, &QTimer::timeout, this, &RuleWatch::look);
    connect(&m_unrest, &QTimer::timeout, this, &RuleWatch::look);
    if (!m_events.isValid()) {
        m_trouble = QStringLiteral("the rules cannot be watched: %1").arg(qt_error_string());
        return;
    }
    m_notifier = std::make_unique<QSocketNotifier>(m_events.get(), QSocketNotifier::Read);
    connect(m_notifier.get(), &QSocketNotifier::activated, this, &RuleWatch::readEvents);
    look(); // nobody is told: nobody is connected yet
}

RuleWatch::~RuleWatch() = default;

void RuleWatch::readEvents()
{
    alignas(inotify_event) std::array<char, 16 * 1024> buffer;
    bool matters = false;
    const ssize_t size = ::read(m_events.get(), buffer.data(), buffer.size());
    for (ssize_t at = 0; at < size;) {
        const auto *event = reinterpret_cast<const inotify_event *>(buffer.data() + at);
        at += ssize_t(sizeof *event + event->len);
        const auto place = m_places.find(event->wd);
        matters |= (event->mask & IN_Q_OVERFLOW) // who knows
            || (place != m_places.end()
                && (place->second.isOfRules
                    || (event->len && place->second.names.contains(event->name))));
    }
    if (!matters)
        return;
    m_quiet.start(m_times.quiet);
    if (!m_unrest.isActive())
        m_unrest.start(m_times.longest);
}

void RuleWatch::look()
{
    m_quiet.stop();
    m_unrest.stop();
    Survey survey(m_events.get());
    for (const QString &path : m_paths)
        survey.take(path);
    for (const auto &[number, place] : m_places) {
        if (!survey.places.contains(number))
            ::inotify_rm_watch(m_events.get(), number); // or gone by itself
    }
    m_places = std::move(survey.places);
    m_trouble = std::move(survey.trouble);
    if (std::exchange(m_fingerprint, survey.fingerprint()) != m_fingerprint)
        Q_EMIT changed();
}

} // namespace Sentinel
