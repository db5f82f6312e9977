# SPDX-License-Identifier: MIT
# The daemon: keeper and broker in one binary. It installs into bindir, beside procctl, where on-demand start looks.
bin_PROGRAMS += procd
procd_SOURCES = %D%/broker.c %D%/broker.h %D%/check.c %D%/check.h %D%/config.c %D%/config.h %D%/front.c \
	%D%/front.h %D%/load.c %D%/load.h %D%/lookup.c %D%/lookup.h %D%/main.c %D%/orphans.c %D%/orphans.h \
	%D%/sandbox.c %D%/sandbox.h %D%/successor.c %D%/successor.h %D%/version.h
# From the top of the layers to the bottom: a static library only answers those before it.
procd_LDADD = %D%/rpc/librpc.la %D%/journal/libjournal.la %D%/core/libcore.la %D%/keeper/libkeeper.la %D%/logs/liblogs.la \
	proto/libproto.la %D%/base/libnotify.la %D%/base/libbase.la $(EVENT_LIBS) $(JANSSON_LIBS)
dist_man_MANS += %D%/procd.8
