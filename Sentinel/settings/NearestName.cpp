// SPDX-License-Identifier: MIT
#include "Sentinel/settings/NearestName.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <vector>

namespace Sentinel {

namespace {

constexpr qsizetype longestName = 64; // what is longer is nobody's slip

//! How many characters have to be put in, taken out or changed to make one of the other.
int distance(QStringView from, QStringView to)
{
    std::vector<int> row(size_t(to.size()) + 1); // to make the first i of `to` of what was read
    std::iota(row.begin(), row.end(), 0);
    for (const QChar c : from) {
        int diagonal = row[0]++;
        for (size_t i = 1; i < row.size(); ++i) {
            const int change = diagonal + (c != to[qsizetype(i) - 1]);
            diagonal = row[i];
            row[i] = std::min({change, row[i] + 1, row[i - 1] + 1});
        }
    }
    return row.back();
}

QStringView lastPart(QStringView name)
{
    return name.sliced(name.lastIndexOf(u'.') + 1);
}

} // namespace

QString nearestName(const QString &written, const QStringList &names)
{
    if (written.size() > longestName)
        return {};
    const QString plain = written.toLower().replace(u'_', u'-');
    QString nearest;
    int least = 1 + std::max<int>(2, int(plain.size()) / 4); // the first that is too many
    for (const QString &name : names) {
        // As many characters more as one has are to be put in: a file may be all names to look up.
        const auto longer = int(std::abs(plain.size() - name.size()));
        int changes = longer < least ? distance(plain, name) : longer;
        if (lastPart(plain) == lastPart(name))
            changes = std::min(changes, 1);
        if (changes < least) {
            least = changes;
            nearest = name;
        }
    }
    return nearest;
}

} // namespace Sentinel
