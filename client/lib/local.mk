# SPDX-License-Identifier: MIT
# libprocd. The convenience library holds its code once, for the shared and the static library and for procctl.
noinst_LTLIBRARIES += %D%/libclient.la
%C%_libclient_la_SOURCES = %D%/arguments.c %D%/arguments.h %D%/autostart.c %D%/autostart.h %D%/barrier.c \
	%D%/children.c %D%/condition.c %D%/copies.c %D%/connection.c %D%/connection.h %D%/connection_state.h %D%/current.c %D%/detached.c %D%/detached.h \
	%D%/endpoint.c %D%/endpoint.h %D%/environment.c %D%/environment.h %D%/error.c %D%/event.c %D%/events.c \
	%D%/exit.c %D%/far.c %D%/forks.c %D%/forks.h %D%/give_way.c %D%/give_way.h %D%/handle.c %D%/incoming.c %D%/library.c %D%/library.h %D%/lock.c %D%/look.c \
	%D%/memory.c %D%/memory.h %D%/object.c %D%/object.h %D%/opens.c %D%/order.h %D%/pending.c %D%/pending.h %D%/permit.c %D%/process.c %D%/process.h \
	%D%/reconnect.c %D%/references.c %D%/remote.c %D%/remote.h %D%/semaphore.c %D%/shared.c %D%/shared.h \
	%D%/spawn.c %D%/subscriptions.c %D%/subscriptions.h \
	%D%/target.c %D%/zygote.c %D%/zygote.h
%C%_libclient_la_LIBADD = proto/libproto.la daemon/base/libbase.la $(JANSSON_LIBS)

lib_LTLIBRARIES += libprocd.la
libprocd_la_SOURCES =
libprocd_la_LIBADD = %D%/libclient.la
# -version-info CURRENT:REVISION:AGE. Interface added: C+1:0:A+1. Removed or changed: C+1:0:0. Only code: R+1.
libprocd_la_LDFLAGS = $(AM_LDFLAGS) -no-undefined -version-info 0:0:0 -Wl,--version-script=$(top_srcdir)/%D%/libprocd.map
libprocd_la_DEPENDENCIES = $(libprocd_la_LIBADD) %D%/libprocd.map

include_HEADERS = %D%/procd.h
pkgconfigdir = $(libdir)/pkgconfig
nodist_pkgconfig_DATA = %D%/procd.pc
EXTRA_DIST += %D%/libprocd.map

# A page for each group of functions, and for each name that a page explains a link to it: man procd_lock_acquire.
library_pages = %D%/man/libprocd.3 %D%/man/procd_barrier.3 %D%/man/procd_call.3 %D%/man/procd_condition.3 \
	%D%/man/procd_event.3 %D%/man/procd_events.3 %D%/man/procd_init.3 %D%/man/procd_lock.3 \
	%D%/man/procd_process.3 %D%/man/procd_semaphore.3 %D%/man/procd_sync.3
dist_man_MANS += $(library_pages)
page_names = sed -n 's/^\.Nm \([A-Za-z_]*\).*/\1.3/p' $(srcdir)/$$page

install-data-hook:
	@for page in $(library_pages); do \
		file=`basename $$page`; \
		for name in `$(page_names)`; do \
			test $$name = $$file || ln -sf $$file $(DESTDIR)$(man3dir)/$$name || exit; \
		done; \
	done

uninstall-hook:
	@for page in $(library_pages); do \
		for name in `$(page_names)`; do rm -f $(DESTDIR)$(man3dir)/$$name || exit; done; \
	done
