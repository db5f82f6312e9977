# SPDX-License-Identifier: MIT
# Helpers without domain knowledge.
noinst_LTLIBRARIES += %D%/libbase.la %D%/libnotify.la
%C%_libbase_la_SOURCES = %D%/busy_poll.c %D%/busy_poll.h %D%/cleanup.h %D%/clock.h %D%/closer.c %D%/closer.h \
	%D%/decimal.h %D%/fdpass.c %D%/fdpass.h %D%/harmless.c %D%/harmless.h %D%/hangup.c %D%/hangup.h %D%/heap.c %D%/heap.h %D%/log.c \
	%D%/log.h %D%/shelf.c %D%/shelf.h

# Apart, for the client library takes all of libbase and shall not need libsystemd.
%C%_libnotify_la_LIBTOOLFLAGS = $(PROGRAM_LIBTOOLFLAGS)
%C%_libnotify_la_SOURCES = %D%/notify.c %D%/notify.h
%C%_libnotify_la_LIBADD = $(SYSTEMD_LIBS)
