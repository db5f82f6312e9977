# Built as a user's program would be: <procd.h>, and the shared library. -no-install: no wrapper script in between, for
# a target is started again from /proc/self/exe.
examples = %D%/greet %D%/hello %D%/info %D%/parallel %D%/subclass
example_cppflags = $(AM_CPPFLAGS) -I$(top_srcdir)/client/lib
example_ldflags = $(AM_LDFLAGS) -no-install
noinst_PROGRAMS += $(examples)
exampledir = $(docdir)/examples
example_DATA = $(addprefix $(srcdir)/,$(examples:=.c))

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
