# SPDX-License-Identifier: MIT
# Whole daemons, seen through the socket, the library and the process table.
integration_programs = %D%/test_lib_autostart %D%/test_lib_exit %D%/test_lib_process %D%/test_lib_shared \
	%D%/test_lib_shared_deadlocks %D%/test_lib_shared_events %D%/test_lib_shared_life %D%/test_lib_shared_permits %D%/test_lib_shared_semaphores %D%/test_lib_shared_stress \
	%D%/test_lib_shared_threads %D%/test_lib_sync %D%/test_lib_sync_faults %D%/test_lib_sync_handles
integration_scripts = \
	%D%/test_absence.py \
	%D%/test_cgroups.py \
	%D%/test_clocks.py \
	%D%/test_contract.py \
	%D%/test_crash.py \
	%D%/test_deadlock.py \
	%D%/test_economy.py \
	%D%/test_events.py \
	%D%/test_examples.py \
	%D%/test_exits.py \
	%D%/test_faults.py \
	%D%/test_framing.py \
	%D%/test_front.py \
	%D%/test_identity.py \
	%D%/test_install.sh \
	%D%/test_join.py \
	%D%/test_logs.py \
	%D%/test_killed_anywhere.py \
	%D%/test_load.py \
	%D%/test_memory.py \
	%D%/test_pictures.py \
	%D%/test_piecemeal.py \
	%D%/test_outside.py \
	%D%/test_pages.py \
	%D%/test_rounds.py \
	%D%/test_package.sh \
	%D%/test_pty.py \
	%D%/test_quotas.py \
	%D%/test_ready.py \
	%D%/test_restart.py \
	%D%/test_restart_policy.py \
	%D%/test_security.py \
	%D%/test_services.py %D%/test_sessions.py %D%/test_slow.py \
	%D%/test_socket.py \
	%D%/test_spawn.py \
	%D%/test_stop.py \
	%D%/test_stopped.py \
	%D%/test_suspended.py \
	%D%/test_sync.py \
	%D%/test_system_journal.py %D%/test_systemd.sh \
	%D%/test_takeover.py \
	%D%/test_units.sh \
	%D%/test_upgrade.py \
	%D%/test_zygotes.py
integration_helpers = \
	%D%/breadth.py \
	%D%/clients.py \
	%D%/contract.py \
	%D%/harness.py \
	%D%/histories.py \
	%D%/inside.py \
	%D%/json_schema.py \
	%D%/lingering.py \
	%D%/locker.py \
	%D%/mapped.py \
	%D%/onlookers.py \
	%D%/steady.py \
	%D%/outside_client.js \
	%D%/outside_client.py \
	%D%/played_zygote.py \
	%D%/manager.py \
	%D%/package_here.sh %D%/package_inside.sh %D%/package_unpacked.sh \
	%D%/strace.py \
	%D%/systemd_inside.py \
	%D%/uses.py
# Other builds of the daemon: a newer one, one whose states have another format, one that runs out of memory, one that
# counts, one whose clock goes wrong and one that dies of what is on record, where a test wants it; and what is none.
integration_others = %D%/procd_newer %D%/procd_foreign %D%/procd_starved %D%/procd_counted %D%/procd_adrift %D%/procd_fatal %D%/no_procd
# To these the kernel gives and takes byte by byte.
# The same tests with targets that are copies.
integration_programs += %D%/lib_process_zygote %D%/test_lib_zygote
integration_piecemeal = %D%/procd_piecemeal %D%/procctl_piecemeal %D%/lib_process_piecemeal %D%/lib_sync_piecemeal
check_PROGRAMS += $(integration_programs) $(integration_others) $(integration_piecemeal) %D%/holders %D%/victims \
	%D%/worker
TESTS += $(integration_programs) $(integration_scripts)
EXTRA_DIST += $(integration_scripts) $(integration_helpers)

integration_fixture = %D%/daemon_fixture.c %D%/daemon_fixture.h
%C%_procd_newer_SOURCES = $(procd_SOURCES)
%C%_procd_newer_CPPFLAGS = $(AM_CPPFLAGS) -DPROCD_VERSION='"newer"'
%C%_procd_newer_LDADD = $(procd_LDADD)
# Its own core/save.c and load.c stand before those of the library.
%C%_procd_foreign_SOURCES = $(procd_SOURCES) daemon/core/load.c daemon/core/save.c
%C%_procd_foreign_CPPFLAGS = $(AM_CPPFLAGS) -DPROCD_VERSION='"foreign"' -DSTATE_FORMAT=1000
%C%_procd_foreign_LDADD = $(procd_LDADD)
%C%_no_procd_SOURCES = %D%/no_procd.c
integration_contender = %D%/contender.c %D%/contender.h
%C%_holders_SOURCES = %D%/holders.c $(integration_contender)
%C%_victims_SOURCES = %D%/victims.c $(integration_contender)
%C%_worker_SOURCES = %D%/worker.c
%C%_worker_LDADD = client/lib/libclient.la $(JANSSON_LIBS)
# procd, and a clock that a test sets
%C%_procd_adrift_SOURCES = $(procd_SOURCES) %D%/adrift.c
%C%_procd_adrift_LDADD = $(procd_LDADD)
# procd, and an input that it does not survive
%C%_procd_fatal_SOURCES = $(procd_SOURCES) %D%/fatal.c
%C%_procd_fatal_LDADD = $(procd_LDADD)
%C%_procd_fatal_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=core_delivered
# procd, and an allocator that fails where a test wants it
%C%_procd_starved_SOURCES = $(procd_SOURCES) %D%/starve.c
%C%_procd_starved_LDADD = $(procd_LDADD)
%C%_procd_starved_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free,--wrap=strdup
# procd, and counts of what it does
%C%_procd_counted_SOURCES = $(procd_SOURCES) %D%/tally.c
%C%_procd_counted_LDADD = $(procd_LDADD)
%C%_procd_counted_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=json_dump_callback,--wrap=render_event,--wrap=fdpass_send,--wrap=frame_flush
%C%_test_lib_exit_SOURCES = %D%/test_lib_exit.c $(integration_fixture)
%C%_test_lib_exit_LDADD = $(unit_client_libs)
%C%_test_lib_process_SOURCES = %D%/test_lib_process.c $(integration_fixture)
%C%_test_lib_process_LDADD = $(unit_client_libs)
%C%_lib_process_zygote_SOURCES = $(%C%_test_lib_process_SOURCES)
%C%_lib_process_zygote_CPPFLAGS = $(AM_CPPFLAGS) -DWITH_ZYGOTE
%C%_lib_process_zygote_LDADD = $(unit_client_libs)
%C%_test_lib_zygote_SOURCES = %D%/test_lib_zygote.c $(integration_lib_sync)
%C%_test_lib_zygote_LDADD = $(unit_client_libs)
%C%_test_lib_autostart_SOURCES = %D%/test_lib_autostart.c $(integration_fixture)
%C%_test_lib_autostart_LDADD = $(unit_client_libs)
integration_lib_sync = %D%/lib_sync.c %D%/lib_sync.h $(integration_fixture)
%C%_test_lib_shared_SOURCES = %D%/test_lib_shared.c $(integration_lib_sync)
%C%_test_lib_shared_LDADD = $(unit_client_libs)
%C%_test_lib_shared_deadlocks_SOURCES = %D%/test_lib_shared_deadlocks.c $(integration_lib_sync)
%C%_test_lib_shared_deadlocks_LDADD = $(unit_client_libs)
%C%_test_lib_shared_life_SOURCES = %D%/test_lib_shared_life.c $(integration_lib_sync)
%C%_test_lib_shared_life_LDADD = $(unit_client_libs)
%C%_test_lib_shared_events_SOURCES = %D%/test_lib_shared_events.c $(integration_lib_sync)
%C%_test_lib_shared_events_LDADD = $(unit_client_libs)
%C%_test_lib_shared_permits_SOURCES = %D%/test_lib_shared_permits.c $(integration_lib_sync)
%C%_test_lib_shared_permits_LDADD = $(unit_client_libs)
%C%_test_lib_shared_semaphores_SOURCES = %D%/test_lib_shared_semaphores.c $(integration_lib_sync)
%C%_test_lib_shared_semaphores_LDADD = $(unit_client_libs)
%C%_test_lib_shared_stress_SOURCES = %D%/test_lib_shared_stress.c $(integration_lib_sync)
%C%_test_lib_shared_stress_LDADD = $(unit_client_libs)
%C%_test_lib_shared_threads_SOURCES = %D%/test_lib_shared_threads.c $(integration_lib_sync)
%C%_test_lib_shared_threads_LDADD = $(unit_client_libs)
%C%_test_lib_sync_SOURCES = %D%/test_lib_sync.c $(integration_lib_sync)
%C%_test_lib_sync_LDADD = $(unit_client_libs)
%C%_test_lib_sync_faults_SOURCES = %D%/test_lib_sync_faults.c $(integration_lib_sync)
%C%_test_lib_sync_faults_LDADD = $(unit_client_libs)
%C%_test_lib_sync_handles_SOURCES = %D%/test_lib_sync_handles.c $(integration_lib_sync)
%C%_test_lib_sync_handles_LDADD = $(unit_client_libs)

# The tests themselves call the kernel as it is.
piecemeal_own = -Dpoll=__real_poll -Dread=__real_read -Dwrite=__real_write
piecemeal_flags = $(AM_LDFLAGS) -Wl,--wrap=accept4,--wrap=connect,--wrap=epoll_wait,--wrap=poll,--wrap=ppoll,--wrap=read \
	-Wl,--wrap=recv,--wrap=recvmsg,--wrap=send,--wrap=sendmsg,--wrap=write
%C%_procd_piecemeal_SOURCES = $(procd_SOURCES) %D%/piecemeal.c
%C%_procd_piecemeal_LDADD = $(procd_LDADD)
%C%_procd_piecemeal_LDFLAGS = $(piecemeal_flags)
%C%_procctl_piecemeal_SOURCES = $(procctl_SOURCES) %D%/piecemeal.c
%C%_procctl_piecemeal_LDADD = $(procctl_LDADD)
%C%_procctl_piecemeal_LDFLAGS = $(piecemeal_flags)
%C%_lib_process_piecemeal_SOURCES = $(%C%_test_lib_process_SOURCES) %D%/piecemeal.c
%C%_lib_process_piecemeal_CPPFLAGS = $(AM_CPPFLAGS) $(piecemeal_own)
%C%_lib_process_piecemeal_LDADD = $(unit_client_libs)
%C%_lib_process_piecemeal_LDFLAGS = $(piecemeal_flags)
%C%_lib_sync_piecemeal_SOURCES = $(%C%_test_lib_sync_SOURCES) %D%/piecemeal.c
%C%_lib_sync_piecemeal_CPPFLAGS = $(AM_CPPFLAGS) $(piecemeal_own)
%C%_lib_sync_piecemeal_LDADD = $(unit_client_libs)
%C%_lib_sync_piecemeal_LDFLAGS = $(piecemeal_flags)
