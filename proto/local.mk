# The protocol: its one declaration (*.def), lines, envelopes, checks.
noinst_LTLIBRARIES += %D%/libproto.la
%C%_libproto_la_SOURCES = %D%/bytes.c %D%/bytes.h %D%/errors.def %D%/events.def %D%/frame.c %D%/frame.h \
	%D%/ids.h %D%/message.c %D%/message.h %D%/methods.def %D%/openrpc.c %D%/openrpc.h %D%/schema.c \
	%D%/schema.h %D%/signals.c %D%/signals.h
