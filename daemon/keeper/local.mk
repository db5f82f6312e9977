# SPDX-License-Identifier: MIT
# The parent of every child: links neither libevent nor jansson.
noinst_LTLIBRARIES += %D%/libkeeper.la
%C%_libkeeper_la_LIBTOOLFLAGS = $(PROGRAM_LIBTOOLFLAGS)
%C%_libkeeper_la_SOURCES = %D%/accept.c %D%/adopt.c %D%/adopt.h %D%/adopt_image.c %D%/adopt_image.h \
	%D%/adopted.c %D%/adopted.h %D%/begin.c %D%/begin.h %D%/broker.c %D%/broker.h %D%/capture.c %D%/capture.h \
	%D%/cgroup.c %D%/cgroup.h %D%/cgroup_find.c %D%/cgroup_find.h %D%/cgroup_left.c %D%/cgroup_left.h \
	%D%/clients.c %D%/clients.h %D%/copy.c %D%/copy.h %D%/drop.c %D%/drop.h \
	%D%/handover.c %D%/handover.h %D%/handover_layout.h %D%/handover_read.c %D%/handover_ticket.c %D%/job.c %D%/job.h %D%/keeper.c %D%/keeper.h %D%/killing.c %D%/killing.h \
	%D%/leave.c %D%/leave.h %D%/ledger.c %D%/ledger.h %D%/ledger_layout.h %D%/life.c %D%/life.h %D%/limits.c %D%/limits.h \
	%D%/link.h %D%/loop.c %D%/loop.h %D%/manager.c %D%/manager.h %D%/map.h %D%/notified.c %D%/notified.h %D%/orders.c %D%/orders.h \
	%D%/pages.c %D%/pages.h \
	%D%/pipes.c %D%/pipes.h %D%/plan.c %D%/plan.h %D%/proc.c %D%/proc.h %D%/pty.c %D%/pty.h %D%/rawcall.h %D%/reap.c %D%/reap.h %D%/respawn.c %D%/respawn.h %D%/role.c %D%/role.h \
	%D%/said.c %D%/said.h %D%/share.c %D%/share.h %D%/socket.c %D%/socket.h %D%/spawn.c %D%/spawn.h %D%/spawn_child.c %D%/spawn_child.h %D%/spec.c \
	%D%/spec.h %D%/state.h %D%/store.c %D%/store.h %D%/table.c %D%/table.h %D%/ticket.c %D%/ticket.h %D%/ticket_kept.c %D%/ticket_kept.h %D%/tree.c %D%/tree.h \
	%D%/upgrade.c %D%/upgrade.h %D%/wire.c %D%/wire.h %D%/zygote.c %D%/zygote.h
%C%_libkeeper_la_LIBADD = daemon/logs/liblogs.la
