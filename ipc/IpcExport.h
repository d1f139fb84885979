// SPDX-License-Identifier: MIT
#pragma once

#include <QtCore/qglobal.h>

#ifdef SENTINELIPC_LIBRARY
#define SENTINELIPC_EXPORT Q_DECL_EXPORT
#else
#define SENTINELIPC_EXPORT Q_DECL_IMPORT
#endif
