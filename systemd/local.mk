# SPDX-License-Identifier: MIT
# Units for the system and for each user; the user and the directory that the system daemon needs.
system_units = %D%/system/procd.service %D%/system/procd-load.service
user_units = %D%/user/procd.service %D%/user/procd-load.service
units = $(system_units) $(user_units)
nodist_systemdsystemunit_DATA = $(system_units)
dist_systemdsystemunit_DATA = %D%/system/procd.socket
nodist_systemduserunit_DATA = $(user_units)
dist_systemduserunit_DATA = %D%/user/procd.socket
dist_sysusers_DATA = %D%/sysusers.d/procd.conf
dist_tmpfiles_DATA = %D%/tmpfiles.d/procd.conf
EXTRA_DIST += $(units:=.in)
CLEANFILES += $(units)

$(units): %: %.in Makefile
	$(substitute) $< >$@
