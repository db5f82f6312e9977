# SPDX-License-Identifier: MIT
# How tests run: `make check`, `make check-long`, `make bench`, `make fuzz`, `make lint`.

# What `make check-long` makes after the tests; fragments add to it.
long_checks =

include $(top_srcdir)/tests/unit/local.mk
include $(top_srcdir)/tests/integration/local.mk
include $(top_srcdir)/tests/cli/local.mk
include $(top_srcdir)/tests/model/local.mk
include $(top_srcdir)/tests/bench/local.mk
include $(top_srcdir)/tests/fuzz/local.mk
include $(top_srcdir)/tests/lint/local.mk

# Those that take longest. CI runs them as everybody does and once more under sanitizers, and leaves them out of the
# tests of the tarball, which another compiler makes.
slow_tests = $(foreach name,examples exits killed_anywhere load logs memory piecemeal quotas slow suspended sync takeover upgrade,\
	tests/integration/test_$(name).py)
quick-tests:
	@echo $(filter-out $(slow_tests),$(TESTS))

# Those in which several threads of one process use the library's shared memory: what --enable-thread-sanitizer is for.
# The daemon is another build's, `make check-threads PROCD=/.../procd`, as that sanitizer cannot follow the keeper's
# children, which share its memory until they exec. Sockets are not to order what the library's own words must.
thread_tests = $(foreach name,unit/client/test_shared unit/client/test_shared_permit unit/client/test_shared_word \
	$(addprefix integration/test_lib_,shared shared_events shared_life shared_permits shared_semaphores shared_stress \
		shared_threads sync),tests/$(name))
check-threads:
	@$(MAKE) $(AM_MAKEFLAGS) check-TESTS check_PROGRAMS='$(thread_tests)' TESTS='$(thread_tests)' \
		TESTS_ENVIRONMENT="PROCD='$(or $(PROCD),$(abs_top_builddir)/procd)' TSAN_OPTIONS='io_sync=0'"

# Programs, scripts and lints alike run under timeout, which ends the whole group: a hang is a failure.
TEST_TIMEOUT = 300
TEST_EXTENSIONS = .sh .py
LOG_COMPILER = timeout
SH_LOG_COMPILER = timeout
PY_LOG_COMPILER = timeout
AM_LOG_FLAGS = -k 10 $(TEST_TIMEOUT)
AM_SH_LOG_FLAGS = $(AM_LOG_FLAGS)
AM_PY_LOG_FLAGS = $(AM_LOG_FLAGS) python3
AM_TESTS_FD_REDIRECT = </dev/null

# What a test may rely on. A daemon of the person who runs the tests must not be found; nothing is written beside sources.
AM_TESTS_ENVIRONMENT = \
	PROCD='$(abs_top_builddir)/procd'; export PROCD; \
	PROCCTL='$(abs_top_builddir)/procctl'; export PROCCTL; \
	TOP_SRCDIR='$(abs_top_srcdir)'; export TOP_SRCDIR; \
	TOP_BUILDDIR='$(abs_top_builddir)'; export TOP_BUILDDIR; \
	PYTHONDONTWRITEBYTECODE=1; export PYTHONDONTWRITEBYTECODE; \
	unset PROCD_SOCKET PROCD_AUTOSTART LISTEN_FDS LISTEN_PID LISTEN_FDNAMES NOTIFY_SOCKET WATCHDOG_USEC WATCHDOG_PID;

# In place of automake's rule of this name, which runs the same test-suite.log but has no say after it: `make check` ends
# with one plain line, counted from the results. Where a test does not compile nothing is counted; make has said so.
check-TESTS: $(check_PROGRAMS)
	@rm -f $(TEST_SUITE_LOG) $(TEST_LOGS) $(TEST_LOGS:.log=.trs)
	@$(MAKE) $(AM_MAKEFLAGS) $(TEST_SUITE_LOG) TEST_LOGS="$(TEST_LOGS)" && status=0 || status=$$?; \
	cat $(TEST_LOGS:.log=.trs) /dev/null | awk ' \
		$$1 == ":test-result:" { n[$$2]++ } \
		END { if (n["SKIP"]) print n["SKIP"] " skipped"; \
			print n["PASS"] + n["XFAIL"] " passed, " n["FAIL"] + n["XPASS"] + n["ERROR"] " failed" }'; \
	exit $$status

# What judges times begins when all others have ended: beside them it would measure these.
tests/integration/test_quotas.log: $(filter-out tests/integration/test_quotas.log,$(TEST_LOGS))

# The same tests with more rounds: they read TEST_LONG. Then whatever else takes long.
check-long:
	TEST_LONG=1 $(MAKE) $(AM_MAKEFLAGS) check TEST_TIMEOUT=7200
	@for more in $(long_checks); do $(MAKE) $(AM_MAKEFLAGS) $$more || exit; done

# `make bench BENCH_FLAGS=--short`, --json: see tests/bench/run.py. What was found is kept beside the programs.
bench: all $(EXTRA_PROGRAMS)
	@$(AM_TESTS_ENVIRONMENT) status=0; \
	python3 "$$TOP_SRCDIR/tests/bench/run.py" $(BENCH_FLAGS) --output tests/bench/run.json $(bench_programs) || status=1; \
	python3 "$$TOP_SRCDIR/tests/bench/report.py" plot tests/bench/run.json tests/bench/run.svg >&2 || status=1; \
	exit $$status

# Who does the work of it, in Markdown: BENCH_FLAGS='--output FILE', --short: see tests/bench/profile.py.
bench-profile: all $(EXTRA_PROGRAMS)
	@$(AM_TESTS_ENVIRONMENT) python3 "$$TOP_SRCDIR/tests/bench/profile.py" $(BENCH_FLAGS)

# The README's figures and plot, from what the last `make bench` has found.
bench-readme:
	@cp tests/bench/run.svg "$(srcdir)/tests/bench/figures.svg"
	@python3 "$(srcdir)/tests/bench/report.py" readme tests/bench/run.json "$(srcdir)/README.md" \
		"$(srcdir)/tests/bench/figures.svg"

lint:
	@$(AM_TESTS_ENVIRONMENT) status=0; \
	for lint in $(lints); do \
		"$$TOP_SRCDIR/$$lint" --self-test || status=1; "$$TOP_SRCDIR/$$lint" || status=1; \
	done; exit $$status

.PHONY: bench bench-profile bench-readme check-long check-threads lint quick-tests
