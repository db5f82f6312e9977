# SPDX-License-Identifier: MIT
# Built as a user's program would be: <procd.h>, and the shared library. -no-install: no wrapper script in between, for
# a target is started again from /proc/self/exe.
examples = %D%/greet %D%/hello %D%/info %D%/lock_counter %D%/parallel %D%/producer_consumer \
	%D%/rendezvous %D%/semaphore_workers %D%/starting_gun %D%/subclass
example_cppflags = $(AM_CPPFLAGS) -I$(top_srcdir)/client/lib
example_ldflags = $(AM_LDFLAGS) -no-install
noinst_PROGRAMS += $(examples)
exampledir = $(docdir)/examples
example_DATA = $(addprefix $(srcdir)/,$(examples:=.c))
dist_example_SCRIPTS = %D%/survives_kill.sh

%C%_greet_CPPFLAGS = $(example_cppflags)
%C%_greet_LDFLAGS = $(example_ldflags)
%C%_greet_LDADD = libprocd.la $(JANSSON_LIBS)

%C%_hello_CPPFLAGS = $(example_cppflags)
%C%_hello_LDFLAGS = $(example_ldflags)
%C%_hello_LDADD = libprocd.la $(JANSSON_LIBS)

%C%_info_CPPFLAGS = $(example_cppflags)
%C%_info_LDFLAGS = $(example_ldflags)
%C%_info_LDADD = libprocd.la $(JANSSON_LIBS)

%C%_parallel_CPPFLAGS = $(example_cppflags)
%C%_parallel_LDFLAGS = $(example_ldflags)
%C%_parallel_LDADD = libprocd.la $(JANSSON_LIBS)

%C%_subclass_CPPFLAGS = $(example_cppflags)
%C%_subclass_LDFLAGS = $(example_ldflags)
%C%_subclass_LDADD = libprocd.la $(JANSSON_LIBS)

%C%_lock_counter_CPPFLAGS = $(example_cppflags)
%C%_lock_counter_LDFLAGS = $(example_ldflags)
%C%_lock_counter_LDADD = libprocd.la $(JANSSON_LIBS)

%C%_producer_consumer_CPPFLAGS = $(example_cppflags)
%C%_producer_consumer_LDFLAGS = $(example_ldflags)
%C%_producer_consumer_LDADD = libprocd.la $(JANSSON_LIBS)

%C%_rendezvous_CPPFLAGS = $(example_cppflags)
%C%_rendezvous_LDFLAGS = $(example_ldflags)
%C%_rendezvous_LDADD = libprocd.la $(JANSSON_LIBS)

%C%_semaphore_workers_CPPFLAGS = $(example_cppflags)
%C%_semaphore_workers_LDFLAGS = $(example_ldflags)
%C%_semaphore_workers_LDADD = libprocd.la $(JANSSON_LIBS)

%C%_starting_gun_CPPFLAGS = $(example_cppflags)
%C%_starting_gun_LDFLAGS = $(example_ldflags)
%C%_starting_gun_LDADD = libprocd.la $(JANSSON_LIBS)
