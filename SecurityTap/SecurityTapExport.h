// SPDX-License-Identifier: MIT
#pragma once

#include <QtCore/qglobal.h>

#ifdef SECURITYTAP_LIBRARY
#define SECURITYTAP_EXPORT Q_DECL_EXPORT
#else
#define SECURITYTAP_EXPORT Q_DECL_IMPORT
#endif
