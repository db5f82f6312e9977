# SPDX-License-Identifier: MIT
# Between the socket and the core: sessions, calls, handlers.
noinst_LTLIBRARIES += %D%/librpc.la
%C%_librpc_la_LIBTOOLFLAGS = $(PROGRAM_LIBTOOLFLAGS)
%C%_librpc_la_SOURCES = %D%/access.c %D%/access.h %D%/arguments.c %D%/arguments.h %D%/backlog.c \
	%D%/backlog.h %D%/call.c %D%/call.h \
	%D%/daemon_methods.c %D%/deliver.c %D%/deliver.h %D%/dispatch.c %D%/event_methods.c %D%/event_text.c \
	%D%/event_text.h %D%/identity.c %D%/identity.h %D%/keeper_link.c %D%/keeper_link.h \
	%D%/log_methods.c %D%/logs.c %D%/logs.h %D%/lookup_client.c %D%/lookup_client.h %D%/memory.c %D%/memory.h \
	%D%/object_methods.c %D%/object_request.c %D%/object_request.h %D%/pages.c %D%/pages.h %D%/peer.c \
	%D%/peer.h %D%/process_methods.c \
	%D%/process_spawn.c %D%/process_spawn.h %D%/render.c %D%/render.h %D%/render_object.c \
	%D%/render_object.h %D%/reports.c %D%/restart.c %D%/restart.h %D%/restart_policy.c %D%/restart_policy.h %D%/server.c %D%/server.h \
	%D%/session.c %D%/session.h %D%/spawn_append.h %D%/spawn_environment.c %D%/spawn_spec.c %D%/spawn_spec.h \
	%D%/subscription.c %D%/subscription.h %D%/sync_methods.c %D%/threads.c %D%/threads.h %D%/undelivered.c \
	%D%/undelivered.h
%C%_librpc_la_LIBADD = daemon/logs/liblogs.la
