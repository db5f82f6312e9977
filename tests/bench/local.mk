# Measurements: built and run by `make bench` only.
bench_programs = %D%/bench_calls %D%/bench_lock %D%/bench_ping %D%/bench_spawn %D%/bench_throughput \
	%D%/bench_wake
bench_scripts =

# What they share. The child that they start has no C library and runs no code before or after its own.
EXTRA_LTLIBRARIES = %D%/libbench.la
%C%_libbench_la_SOURCES = %D%/bench.c %D%/bench.h %D%/raw.c %D%/raw.h %D%/statistics.c %D%/statistics.h \
	%D%/subject.c %D%/subject.h %D%/wire.c %D%/wire.h
%C%_libbench_la_LIBADD = daemon/base/libbase.la
%C%_nothing_CPPFLAGS = -I$(top_srcdir)
%C%_nothing_CFLAGS = $(WARN_CFLAGS) -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables
# -all-static: libtool keeps -static to itself, and the child would be started by the dynamic linker.
%C%_nothing_LDFLAGS = -all-static -nostdlib

EXTRA_PROGRAMS = $(bench_programs) %D%/nothing
EXTRA_DIST += $(bench_scripts) %D%/README.md
CLEANFILES += $(EXTRA_PROGRAMS) $(EXTRA_LTLIBRARIES)
%C%_bench_calls_LDADD = %D%/libbench.la
%C%_bench_lock_LDADD = %D%/libbench.la
%C%_bench_wake_LDADD = %D%/libbench.la
%C%_bench_ping_LDADD = %D%/libbench.la
%C%_bench_spawn_LDADD = %D%/libbench.la
%C%_bench_throughput_LDADD = %D%/libbench.la
EXTRA_%C%_bench_spawn_DEPENDENCIES = %D%/nothing
EXTRA_%C%_bench_throughput_DEPENDENCIES = %D%/nothing
