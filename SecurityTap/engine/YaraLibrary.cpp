// SPDX-License-Identifier: MIT
#include "SecurityTap/engine/YaraLibrary.h"

#include <yara.h>

#include <cstring>

namespace Sentinel {

void initialiseYara()
{
    static const int result = yr_initialize();
    if (result != ERROR_SUCCESS)
        qFatal("libyara cannot be initialised (error %d)", result);
}

QString yaraVersion()
{
    return QStringLiteral(YR_VERSION);
}

bool isModuleAllowed(const char *module)
{
    return std::strcmp(module, "magic") != 0 && std::strcmp(module, "cuckoo") != 0;
}

} // namespace Sentinel
