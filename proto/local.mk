# The protocol: its one declaration (*.def), lines, envelopes, checks.
noinst_LTLIBRARIES += %D%/libproto.la
%C%_libproto_la_SOURCES = %D%/bytes.c %D%/bytes.h %D%/errors.def %D%/events.def %D%/frame.c %D%/frame.h \
	%D%/ids.h %D%/message.c %D%/message.h %D%/methods.def %D%/openrpc.c %D%/objects.def %D%/openrpc.h \
	%D%/schema.c \
	%D%/schema.h %D%/signals.c %D%/signals.h %D%/writer.c %D%/writer.h

# procd-api(7) is written by a program that holds the tables.
noinst_PROGRAMS += %D%/api_manual
%C%_api_manual_SOURCES = %D%/api_manual.c
%C%_api_manual_LDADD = %D%/libproto.la daemon/base/libbase.la $(JANSSON_LIBS)
nodist_man_MANS += %D%/procd-api.7
CLEANFILES += %D%/procd-api.7

%D%/procd-api.7: %D%/api_manual
	$(AM_V_GEN)./%D%/api_manual >$@.part && mv $@.part $@
