# SPDX-License-Identifier: MIT
# procctl: all but main is a library that its unit tests link, too.
noinst_LTLIBRARIES += %D%/libctl.la
%C%_libctl_la_LIBTOOLFLAGS = $(PROGRAM_LIBTOOLFLAGS)
%C%_libctl_la_SOURCES = %D%/arguments.c %D%/arguments.h %D%/attach.c %D%/barrier.c %D%/call.c %D%/calls.c %D%/calls.h \
	%D%/commands.c %D%/commands.def %D%/commands.h %D%/completion.c %D%/completion.h %D%/completion_bash.c \
	%D%/completion_fish.c %D%/completion_words.c %D%/completion_zsh.c %D%/condition.c %D%/ctl.h \
	%D%/daemon_commands.c %D%/dial.c %D%/each.c \
	%D%/each.h %D%/error_text.c %D%/event.c %D%/events.c %D%/forget.c %D%/graph.c %D%/guess.c %D%/guess.h %D%/held_child.c %D%/held_child.h \
	%D%/inspect.c %D%/join.c %D%/join.h %D%/lock.c %D%/lock_run.c %D%/logs.c %D%/metrics.c %D%/metrics.h %D%/metrics_http.c %D%/monitor.c \
	%D%/monitor.h %D%/object.c %D%/object.h \
	%D%/object_show.c %D%/objects.c %D%/output.c %D%/output.h %D%/progress.c %D%/progress.h %D%/ps.c %D%/record.c %D%/record.h %D%/relay.c %D%/relay.h %D%/restart_option.c \
	%D%/restart_option.h %D%/run.c \
	%D%/run.h %D%/sample.c %D%/sample.h %D%/screen.c %D%/screen.h \
	%D%/run_signals.c %D%/semaphore.c %D%/service_file.c %D%/service_file.h %D%/services.c %D%/signal_commands.c %D%/spawn.c %D%/spawn_request.c \
	%D%/spawn_request.h %D%/table.c %D%/table.h %D%/text.c %D%/text.h %D%/top.c %D%/top.h \
	%D%/top_screen.c %D%/trace.c %D%/usage.c %D%/usage.h %D%/values.c \
	%D%/values.h %D%/waiting.c %D%/waiting.h %D%/watch.c %D%/watch.h
%C%_libctl_la_CFLAGS = $(AM_CFLAGS) $(CURSES_CFLAGS) $(HTTP_CFLAGS)

# It links the code of libprocd, not the shared library: it runs from the build tree as it is.
bin_PROGRAMS += procctl
procctl_SOURCES = %D%/main.c
procctl_LDADD = %D%/libctl.la client/lib/libclient.la $(SMARTCOLS_LIBS) $(CURSES_LIBS) $(HTTP_LIBS) $(JANSSON_LIBS)
dist_man_MANS += %D%/procctl.1 %D%/procd.json.5
