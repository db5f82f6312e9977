# Units for the system and for each user; the user and the directory that the system daemon needs.
units = %D%/system/procd.service %D%/user/procd.service
nodist_systemdsystemunit_DATA = %D%/system/procd.service
dist_systemdsystemunit_DATA = %D%/system/procd.socket
nodist_systemduserunit_DATA = %D%/user/procd.service
dist_systemduserunit_DATA = %D%/user/procd.socket
dist_sysusers_DATA = %D%/sysusers.d/procd.conf
dist_tmpfiles_DATA = %D%/tmpfiles.d/procd.conf
EXTRA_DIST += $(units:=.in)
CLEANFILES += $(units)

$(units): %: %.in Makefile
	$(substitute) $< >$@
