# SPDX-License-Identifier: MIT
# Measurements: built and run by `make bench` only.
bench_programs = %D%/bench_bare %D%/bench_calls %D%/bench_children %D%/bench_clients %D%/bench_events %D%/bench_fast \
	%D%/bench_handover %D%/bench_journal %D%/bench_lock %D%/bench_ping %D%/bench_spawn %D%/bench_target \
	%D%/bench_throughput %D%/bench_wake %D%/bench_journal_many
bench_scripts = %D%/lookers.py %D%/peers.py %D%/profile.py %D%/report.py %D%/run.py

# What they share. The children that they start have no C library and run no code before or after their own.
EXTRA_LTLIBRARIES = %D%/libbench.la
%C%_libbench_la_SOURCES = %D%/bench.c %D%/bench.h %D%/events.c %D%/events.h %D%/figures.def %D%/lanes.c \
	%D%/lanes.h %D%/peers.c %D%/peers.h %D%/raw.c %D%/raw.h %D%/redis.c %D%/redis.h %D%/report.c %D%/report.h %D%/spawns.c %D%/spawns.h \
	%D%/spooler.c %D%/spooler.h %D%/statistics.c %D%/statistics.h %D%/subject.c %D%/subject.h \
	%D%/swarm.c %D%/swarm.h %D%/targets.c %D%/targets.h %D%/trees.c %D%/trees.h %D%/watch.c %D%/watch.h %D%/wire.c %D%/wire.h
%C%_libbench_la_LIBADD = daemon/base/libbase.la
bench_bare_cflags = $(WARN_CFLAGS) -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables
# -all-static: libtool keeps -static to itself, and the child would be started by the dynamic linker.
bench_bare_ldflags = -all-static -nostdlib
%C%_nothing_CPPFLAGS = -I$(top_srcdir)
%C%_nothing_CFLAGS = $(bench_bare_cflags)
%C%_nothing_LDFLAGS = $(bench_bare_ldflags)
%C%_sleeper_CPPFLAGS = -I$(top_srcdir)
%C%_sleeper_CFLAGS = $(bench_bare_cflags)
%C%_sleeper_LDFLAGS = $(bench_bare_ldflags)

# The daemon, but that it keeps no journal: what stands before the library is taken in its place.
%C%_procd_unrecorded_SOURCES = $(procd_SOURCES) %D%/no_journal.c
%C%_procd_unrecorded_LDADD = $(procd_LDADD)

EXTRA_PROGRAMS = $(bench_programs) %D%/nothing %D%/procd_unrecorded %D%/sleeper
EXTRA_DIST += $(bench_scripts) %D%/PROFILES.md %D%/README.md %D%/figures.svg
CLEANFILES += $(EXTRA_PROGRAMS) $(EXTRA_LTLIBRARIES) %D%/run.json %D%/run.svg
%C%_bench_bare_LDADD = %D%/libbench.la
%C%_bench_calls_LDADD = %D%/libbench.la
%C%_bench_children_LDADD = %D%/libbench.la
%C%_bench_clients_LDADD = %D%/libbench.la
%C%_bench_events_LDADD = %D%/libbench.la
# As any program that uses it: the shared library, which costs more than the static one.
%C%_bench_fast_LDADD = %D%/libbench.la libprocd.la
%C%_bench_handover_LDADD = %D%/libbench.la libprocd.la
%C%_bench_handover_LDFLAGS = $(AM_LDFLAGS) -no-install
%C%_bench_lock_LDADD = %D%/libbench.la
%C%_bench_ping_LDADD = %D%/libbench.la
%C%_bench_spawn_LDADD = %D%/libbench.la
# As a user's program is linked, and started again from /proc/self/exe.
%C%_bench_journal_LDADD = %D%/libbench.la libprocd.la $(JANSSON_LIBS)
%C%_bench_journal_LDFLAGS = $(AM_LDFLAGS) -no-install
%C%_bench_journal_many_LDADD = %D%/libbench.la
%C%_bench_target_LDADD = %D%/libbench.la libprocd.la $(JANSSON_LIBS)
%C%_bench_target_LDFLAGS = $(AM_LDFLAGS) -no-install
%C%_bench_throughput_LDADD = %D%/libbench.la
%C%_bench_wake_LDADD = %D%/libbench.la libprocd.la
%C%_bench_wake_LDFLAGS = $(AM_LDFLAGS) -no-install
EXTRA_%C%_bench_bare_DEPENDENCIES = %D%/bench_target %D%/nothing %D%/sleeper
EXTRA_%C%_bench_children_DEPENDENCIES = %D%/nothing %D%/sleeper
EXTRA_%C%_bench_handover_DEPENDENCIES = %D%/procd_unrecorded
EXTRA_%C%_bench_journal_DEPENDENCIES = %D%/nothing %D%/procd_unrecorded
EXTRA_%C%_bench_journal_many_DEPENDENCIES = %D%/nothing %D%/procd_unrecorded %D%/sleeper
EXTRA_%C%_bench_spawn_DEPENDENCIES = %D%/nothing
EXTRA_%C%_bench_throughput_DEPENDENCIES = %D%/nothing
EXTRA_%C%_bench_wake_DEPENDENCIES = %D%/procd_unrecorded
