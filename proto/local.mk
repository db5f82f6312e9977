# SPDX-License-Identifier: MIT
# The protocol: its one declaration (*.def), lines, envelopes, checks.
noinst_LTLIBRARIES += %D%/libproto.la
%C%_libproto_la_SOURCES = %D%/bytes.c %D%/bytes.h %D%/errors.def %D%/events.def %D%/frame.c %D%/frame.h \
	%D%/ids.h %D%/message.c %D%/message.h %D%/methods.def %D%/objects.def %D%/openrpc.c %D%/openrpc.h %D%/page.h \
	%D%/records.def %D%/restart.c %D%/restart.h %D%/schema.c %D%/schema.h %D%/signals.c %D%/signals.h %D%/spec.h %D%/tables.c %D%/writer.c \
	%D%/writer.h %D%/zygote.h

# procd-api(7): prose, and between it the tables, by a program that holds them.
noinst_PROGRAMS += %D%/api_manual
%C%_api_manual_SOURCES = %D%/api_manual.c
%C%_api_manual_LDADD = %D%/libproto.la daemon/base/libbase.la $(JANSSON_LIBS)
nodist_man_MANS += %D%/procd-api.7
EXTRA_DIST += %D%/api_head.mdoc %D%/api_tail.mdoc
CLEANFILES += %D%/procd-api.7

%D%/procd-api.7: %D%/api_manual %D%/api_head.mdoc %D%/api_tail.mdoc
	$(AM_V_GEN){ cat $(srcdir)/%D%/api_head.mdoc && ./%D%/api_manual && \
		cat $(srcdir)/%D%/api_tail.mdoc; } >$@.part && mv $@.part $@
