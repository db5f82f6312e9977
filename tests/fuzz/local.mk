# Fuzzing. Each target is a program of `make check`, too, which replays its corpus; `make fuzz` builds the same sources
# by clang with libFuzzer and its sanitizers, and runs each for FUZZ_SECONDS. See fuzz.h, run.sh.
fuzz_targets = %D%/fuzz_frame %D%/fuzz_request
check_PROGRAMS += $(fuzz_targets)
TESTS += $(fuzz_targets)
EXTRA_DIST += %D%/corpus %D%/run.sh

fuzz_cppflags = $(AM_CPPFLAGS) -DMUST_ABORTS
fuzz_main = %D%/fuzz.h %D%/replay.c
fuzz_proto = tests/unit/core/must.h tests/unit/proto/verdict.c tests/unit/proto/verdict.h

%C%_fuzz_frame_CPPFLAGS = $(fuzz_cppflags)
%C%_fuzz_frame_LDADD = proto/libproto.la daemon/base/libbase.la $(JANSSON_LIBS)
%C%_fuzz_frame_SOURCES = %D%/fuzz_frame.c $(fuzz_main) tests/unit/core/must.h tests/unit/proto/pieces.c \
	tests/unit/proto/pieces.h
%C%_fuzz_request_CPPFLAGS = $(fuzz_cppflags)
%C%_fuzz_request_LDADD = proto/libproto.la daemon/base/libbase.la $(JANSSON_LIBS)
%C%_fuzz_request_SOURCES = %D%/fuzz_request.c $(fuzz_main) $(fuzz_proto)

# ---- libFuzzer ----

FUZZ_SECONDS = 300
FUZZ_CC = clang
FUZZ_FLAGS = -g -O1 -fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined

# What a target is made of: its own sources, but for the main of `make check`, and those of the libraries that it is
# linked with. All of them are compiled anew, as the fuzzer wants to see each branch.
fuzz_base = $(daemon_base_libbase_la_SOURCES)
fuzz_libproto = $(proto_libproto_la_SOURCES) $(fuzz_base)
%C%_fuzz_frame_ALL = $(%C%_fuzz_frame_SOURCES) $(fuzz_libproto)
%C%_fuzz_request_ALL = $(%C%_fuzz_request_SOURCES) $(fuzz_libproto)

fuzz_binaries = $(patsubst %D%/%,%D%/libfuzzer/%,$(fuzz_targets))
$(fuzz_binaries): %D%/libfuzzer/%: always
	$(AM_V_CCLD)$(MKDIR_P) $(@D) && $(FUZZ_CC) $(DEFS) $(fuzz_cppflags) $(JANSSON_CFLAGS) $(WARN_CFLAGS) \
		$(CODE_CFLAGS) $(FUZZ_FLAGS) -o $@ $(CODE_LDFLAGS) $(%C%_$(*F)_LDFLAGS) \
		$(addprefix $(srcdir)/,$(sort $(filter-out %/replay.c,$(filter %.c,$(%C%_$(*F)_ALL))))) $(JANSSON_LIBS)

fuzz:
	@TOP_SRCDIR='$(abs_top_srcdir)' FUZZ_SECONDS='$(FUZZ_SECONDS)' FUZZ_CC='$(FUZZ_CC)' MAKE='$(MAKE)' $(SHELL) $(srcdir)/%D%/run.sh $(fuzz_binaries)

long_checks += fuzz
.PHONY: always fuzz

clean-local: clean-fuzz
clean-fuzz:
	rm -rf %D%/libfuzzer %D%/found %D%/crashes
