// SPDX-License-Identifier: MIT
#include "SecurityTap/engine/YaraLibrary.h"

#include <yara.h>

#include <cstring>

namespace Sentinel {

void initialiseYara()
{
    static const int result = [] {
        // libyara keeps up to 512 bytes of each of up to a million matches for each string, for
        // callers who look at them: we use places only.
        uint32_t none = 0;
        const int error = yr_initialize();
        return error == ERROR_SUCCESS ? yr_set_configuration(YR_CONFIG_MAX_MATCH_DATA, &none)
                                      : error;
    }();
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
