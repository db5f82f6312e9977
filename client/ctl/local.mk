# procctl: all but main is a library that its unit tests link, too.
noinst_LTLIBRARIES += %D%/libctl.la
%C%_libctl_la_SOURCES = %D%/arguments.c %D%/arguments.h %D%/call.c %D%/calls.c %D%/calls.h \
	%D%/commands.c %D%/commands.def %D%/commands.h %D%/completion.c %D%/completion.h \
	%D%/completion_bash.c %D%/completion_fish.c %D%/completion_zsh.c %D%/ctl.h %D%/daemon_commands.c \
	%D%/each.c %D%/each.h %D%/events.c %D%/forget.c %D%/inspect.c %D%/join.c %D%/join.h %D%/output.c \
	%D%/output.h %D%/ps.c %D%/run.c %D%/run.h %D%/run_signals.c %D%/signal_commands.c %D%/spawn.c \
	%D%/spawn_request.c %D%/spawn_request.h %D%/table.c %D%/table.h %D%/text.c %D%/text.h %D%/usage.c \
	%D%/usage.h %D%/values.c %D%/values.h

# It links the code of libprocd, not the shared library: it runs from the build tree as it is.
bin_PROGRAMS += procctl
procctl_SOURCES = %D%/main.c
procctl_LDADD = %D%/libctl.la client/lib/libclient.la $(SMARTCOLS_LIBS) $(JANSSON_LIBS)
dist_man_MANS += %D%/procctl.1
