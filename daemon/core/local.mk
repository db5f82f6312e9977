# SPDX-License-Identifier: MIT
# The pure state machine.
noinst_LTLIBRARIES += %D%/libcore.la
%C%_libcore_la_LIBTOOLFLAGS = $(PROGRAM_LIBTOOLFLAGS)
%C%_libcore_la_SOURCES = %D%/absence.c %D%/barrier.c %D%/client.c %D%/condition.c %D%/core.c %D%/core.h \
	%D%/deadlock.c %D%/event.c %D%/eventlog.c %D%/graph.c %D%/graph.h %D%/hold.c %D%/input.c %D%/input.h %D%/internal.h \
	%D%/key.c %D%/load.c %D%/load_sync.c %D%/lock.c %D%/mapping.c %D%/object.c %D%/object_requests.c \
	%D%/objects.h %D%/open.c %D%/order.c %D%/owner.c %D%/permit.c %D%/process.c %D%/quota.c %D%/reader.c %D%/reader.h %D%/ready.c %D%/record.c %D%/requests.c \
	%D%/restart.c %D%/save.c %D%/save.h %D%/saved.h %D%/save_sync.c %D%/sound.c %D%/sync.c %D%/sync.h %D%/text.c %D%/waiter.c %D%/waitq.c %D%/wanted.c \
	%D%/word.c %D%/writer.h
