# SPDX-License-Identifier: MIT
# Fuzzing. Each target is a program of `make check`, too, which replays its corpus; `make fuzz` builds the same sources
# by clang with libFuzzer and its sanitizers, and runs each for FUZZ_SECONDS. See fuzz.h, run.sh.
fuzz_targets = %D%/fuzz_connection %D%/fuzz_frame %D%/fuzz_journal %D%/fuzz_library %D%/fuzz_load %D%/fuzz_orders \
	%D%/fuzz_request %D%/fuzz_session %D%/fuzz_spec %D%/fuzz_words
check_PROGRAMS += $(fuzz_targets)
TESTS += $(fuzz_targets)
EXTRA_DIST += %D%/corpus %D%/run.sh

fuzz_cppflags = $(AM_CPPFLAGS) -DMUST_ABORTS
fuzz_main = %D%/fuzz.h %D%/replay.c
fuzz_core = tests/unit/core/chance.c tests/unit/core/chance.h tests/unit/core/invariants.c \
	tests/unit/core/invariants.h tests/unit/core/invariants_sync.c tests/unit/core/invariants_words.c \
	tests/unit/core/must.h tests/unit/core/twin.c tests/unit/core/twin.h
fuzz_hostile = %D%/hostile.c %D%/hostile.h tests/unit/base/descriptors.h tests/unit/core/must.h
fuzz_hostile_flags = -Wl,--wrap=endpoint_open,--wrap=endpoint_connect,--wrap=clock_nanosleep
fuzz_model = tests/unit/core/model.c tests/unit/core/model.h tests/unit/core/model_absence.c \
	tests/unit/core/model_compare.c \
	tests/unit/core/model_deadlock.c tests/unit/core/model_inside.h tests/unit/core/model_objects.c \
	tests/unit/core/model_shared.c tests/unit/core/model_sync.c tests/unit/core/word_chance.c \
	tests/unit/core/word_chance.h $(fuzz_sync_chance)
fuzz_sync_chance = tests/unit/core/pages.c tests/unit/core/pages.h tests/unit/core/sync_chance.c \
	tests/unit/core/sync_chance.h

# Of each, ALL is what it is made of: its own sources and those of the libraries that it is linked with. For libFuzzer
# they are all compiled anew, as it wants to see each branch.
fuzz_base = $(daemon_base_libbase_la_SOURCES)
fuzz_libproto = $(proto_libproto_la_SOURCES) $(fuzz_base)
fuzz_libcore = $(daemon_core_libcore_la_SOURCES) $(fuzz_base)
fuzz_libkeeper = $(daemon_keeper_libkeeper_la_SOURCES) $(daemon_logs_liblogs_la_SOURCES) \
	$(daemon_base_libnotify_la_SOURCES) $(fuzz_base)
fuzz_libclient = $(client_lib_libclient_la_SOURCES) $(fuzz_libproto)

%C%_fuzz_connection_ALL = $(%C%_fuzz_connection_SOURCES) $(fuzz_libclient)
%C%_fuzz_connection_CPPFLAGS = $(fuzz_cppflags)
%C%_fuzz_connection_LDADD = client/lib/libclient.la
%C%_fuzz_connection_LDFLAGS = $(fuzz_hostile_flags)
%C%_fuzz_connection_SOURCES = %D%/fuzz_connection.c $(fuzz_main) $(fuzz_hostile)
%C%_fuzz_frame_ALL = $(%C%_fuzz_frame_SOURCES) $(fuzz_libproto)
%C%_fuzz_frame_CPPFLAGS = $(fuzz_cppflags)
%C%_fuzz_frame_LDADD = proto/libproto.la daemon/base/libbase.la $(JANSSON_LIBS)
%C%_fuzz_frame_SOURCES = %D%/fuzz_frame.c $(fuzz_main) tests/unit/core/must.h tests/unit/proto/pieces.c \
	tests/unit/proto/pieces.h
%C%_fuzz_journal_ALL = $(%C%_fuzz_journal_SOURCES) $(daemon_journal_libjournal_la_SOURCES) $(fuzz_libcore)
%C%_fuzz_journal_CPPFLAGS = $(fuzz_cppflags)
%C%_fuzz_journal_LDADD = daemon/journal/libjournal.la daemon/core/libcore.la daemon/base/libbase.la
%C%_fuzz_journal_SOURCES = %D%/fuzz_journal.c $(fuzz_main) $(fuzz_core)
%C%_fuzz_library_ALL = $(%C%_fuzz_library_SOURCES) $(fuzz_libclient)
%C%_fuzz_library_CPPFLAGS = $(fuzz_cppflags)
%C%_fuzz_library_LDADD = client/lib/libclient.la
%C%_fuzz_library_LDFLAGS = $(fuzz_hostile_flags)
%C%_fuzz_library_SOURCES = %D%/fuzz_library.c $(fuzz_main) $(fuzz_hostile)
%C%_fuzz_load_ALL = $(%C%_fuzz_load_SOURCES) $(fuzz_libcore)
%C%_fuzz_load_CPPFLAGS = $(fuzz_cppflags)
%C%_fuzz_load_LDADD = daemon/core/libcore.la daemon/base/libbase.la
%C%_fuzz_load_SOURCES = %D%/fuzz_load.c $(fuzz_main) $(fuzz_core)
%C%_fuzz_orders_ALL = $(%C%_fuzz_orders_SOURCES) $(fuzz_libkeeper)
%C%_fuzz_orders_CPPFLAGS = $(fuzz_cppflags)
%C%_fuzz_orders_LDADD = daemon/keeper/libkeeper.la daemon/base/libnotify.la daemon/base/libbase.la
%C%_fuzz_orders_SOURCES = %D%/fuzz_orders.c %D%/no_children.c %D%/no_children.h $(fuzz_main) \
	tests/unit/base/descriptors.h tests/unit/core/must.h
%C%_fuzz_request_ALL = $(%C%_fuzz_request_SOURCES) $(fuzz_libproto)
%C%_fuzz_request_CPPFLAGS = $(fuzz_cppflags)
%C%_fuzz_request_LDADD = proto/libproto.la daemon/base/libbase.la $(JANSSON_LIBS)
%C%_fuzz_request_SOURCES = %D%/fuzz_request.c $(fuzz_main) tests/unit/core/must.h tests/unit/proto/verdict.c \
	tests/unit/proto/verdict.h
%C%_fuzz_session_ALL = $(%C%_fuzz_session_SOURCES) $(fuzz_libcore)
%C%_fuzz_session_CPPFLAGS = $(fuzz_cppflags)
%C%_fuzz_session_LDADD = daemon/core/libcore.la daemon/base/libbase.la
%C%_fuzz_session_SOURCES = %D%/fuzz_session.c $(fuzz_main) $(fuzz_core) $(fuzz_model)
%C%_fuzz_words_ALL = $(%C%_fuzz_words_SOURCES) $(fuzz_libcore)
%C%_fuzz_words_CPPFLAGS = $(fuzz_cppflags)
%C%_fuzz_words_LDADD = daemon/core/libcore.la daemon/base/libbase.la
%C%_fuzz_words_SOURCES = %D%/fuzz_words.c $(fuzz_main) $(fuzz_core) $(fuzz_sync_chance)
%C%_fuzz_spec_ALL = $(%C%_fuzz_spec_SOURCES) $(fuzz_libkeeper)
%C%_fuzz_spec_CPPFLAGS = $(fuzz_cppflags)
%C%_fuzz_spec_LDADD = daemon/keeper/libkeeper.la daemon/base/libbase.la
%C%_fuzz_spec_SOURCES = %D%/fuzz_spec.c $(fuzz_main) tests/unit/core/must.h

# ---- libFuzzer ----

FUZZ_SECONDS = 300
FUZZ_CC = clang
fuzz_cflags = $(JANSSON_CFLAGS) $(SYSTEMD_CFLAGS) $(WARN_CFLAGS) $(CODE_CFLAGS) -g -O1 -fno-omit-frame-pointer \
	-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined
fuzz_libs = $(JANSSON_LIBS) $(SYSTEMD_LIBS) $(LIBS)

# Always built anew. The main is libFuzzer's.
fuzz_binaries = $(patsubst %D%/%,%D%/libfuzzer/%,$(fuzz_targets))
$(fuzz_binaries): %D%/libfuzzer/%: always
	$(AM_V_CCLD)$(MKDIR_P) $(@D) && $(FUZZ_CC) $(DEFS) $(fuzz_cppflags) $(fuzz_cflags) -o $@ \
		$(addprefix $(srcdir)/,$(sort $(filter-out %/replay.c,$(filter %.c,$(%C%_$(*F)_ALL))))) \
		$(CODE_LDFLAGS) $(%C%_$(*F)_LDFLAGS) $(fuzz_libs)

fuzz:
	@TOP_SRCDIR='$(abs_top_srcdir)' FUZZ_SECONDS='$(FUZZ_SECONDS)' FUZZ_CC='$(FUZZ_CC)' MAKE='$(MAKE)' \
		$(SHELL) $(srcdir)/%D%/run.sh $(fuzz_binaries)

long_checks += fuzz
.PHONY: always fuzz

clean-local: clean-fuzz
clean-fuzz:
	rm -rf %D%/libfuzzer %D%/found %D%/crashes
