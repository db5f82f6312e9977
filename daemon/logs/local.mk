# SPDX-License-Identifier: MIT
# What processes have written: taken by the keeper, read by the broker.
noinst_LTLIBRARIES += %D%/liblogs.la
%C%_liblogs_la_LIBTOOLFLAGS = $(PROGRAM_LIBTOOLFLAGS)
%C%_liblogs_la_SOURCES = %D%/layout.h %D%/piece.c %D%/piece.h %D%/rebuild.c %D%/rebuild.h %D%/store.c %D%/store.h \
	%D%/tables.c %D%/tables.h %D%/view.c %D%/view.h
