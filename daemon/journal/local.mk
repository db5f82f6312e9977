# SPDX-License-Identifier: MIT
# What outlives a broker: the ring of inputs and the snapshot.
noinst_LTLIBRARIES += %D%/libjournal.la
%C%_libjournal_la_LIBTOOLFLAGS = $(PROGRAM_LIBTOOLFLAGS)
%C%_libjournal_la_SOURCES = %D%/journal.c %D%/journal.h
