# The pure state machine.
noinst_LTLIBRARIES += %D%/libcore.la
%C%_libcore_la_SOURCES = %D%/client.c %D%/core.c %D%/core.h %D%/eventlog.c %D%/input.c %D%/input.h \
	%D%/internal.h %D%/key.c %D%/load.c %D%/order.c %D%/process.c %D%/quota.c %D%/reader.c \
	%D%/reader.h %D%/record.c %D%/requests.c %D%/save.c %D%/save.h %D%/waiter.c
