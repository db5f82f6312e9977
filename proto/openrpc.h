/* SPDX-License-Identifier: MIT */
/* The OpenRPC 1.2.6 document (rpc.discover), made from the tables of methods, events and errors. */
#ifndef PROCD_PROTO_OPENRPC_H
#define PROCD_PROTO_OPENRPC_H

#include <jansson.h>

/* A new reference, or NULL without memory. version: of the program. */
json_t *openrpc_document(const char *version);

#endif
