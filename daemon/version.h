/* SPDX-License-Identifier: MIT */
/* What this build calls itself. The tests build others of the same sources. */
#ifndef PROCD_VERSION_H
#define PROCD_VERSION_H

#ifndef PROCD_VERSION
#define PROCD_VERSION PACKAGE_VERSION
#endif

#endif
