# libprocd. The convenience library holds its code once, for the shared and the static library and for procctl.
noinst_LTLIBRARIES += %D%/libclient.la
%C%_libclient_la_SOURCES = %D%/arguments.c %D%/arguments.h %D%/autostart.c %D%/autostart.h %D%/barrier.c \
	%D%/children.c %D%/condition.c %D%/connection.c %D%/connection.h %D%/connection_state.h %D%/current.c %D%/detached.c %D%/detached.h \
	%D%/endpoint.c %D%/endpoint.h %D%/environment.c %D%/environment.h %D%/error.c %D%/event.c %D%/events.c \
	%D%/exit.c %D%/far.c %D%/forks.c %D%/forks.h %D%/handle.c %D%/incoming.c %D%/library.c %D%/library.h %D%/lock.c \
	%D%/object.c %D%/object.h %D%/opens.c %D%/pending.c %D%/pending.h %D%/process.c %D%/process.h \
	%D%/reconnect.c %D%/references.c %D%/remote.c %D%/remote.h %D%/semaphore.c %D%/spawn.c %D%/subscriptions.c %D%/subscriptions.h \
	%D%/target.c
%C%_libclient_la_LIBADD = proto/libproto.la daemon/base/libbase.la $(JANSSON_LIBS)

lib_LTLIBRARIES += libprocd.la
libprocd_la_SOURCES =
libprocd_la_LIBADD = %D%/libclient.la
# -version-info CURRENT:REVISION:AGE. Interface added: C+1:0:A+1. Removed or changed: C+1:0:0. Only code: R+1.
libprocd_la_LDFLAGS = $(AM_LDFLAGS) -no-undefined -version-info 0:0:0 -Wl,--version-script=$(top_srcdir)/%D%/libprocd.map
libprocd_la_DEPENDENCIES = $(libprocd_la_LIBADD) %D%/libprocd.map

include_HEADERS = %D%/procd.h
dist_man_MANS += %D%/procd.3
pkgconfigdir = $(libdir)/pkgconfig
nodist_pkgconfig_DATA = %D%/procd.pc
EXTRA_DIST += %D%/libprocd.map
