# SPDX-License-Identifier: MIT
# tests/unit/ROOM/test_X.c mirrors ROOM/X.c. A test links its own room and those below it, so that linking shows the
# layers.
unit_base_libs = daemon/base/libbase.la $(CHECK_LIBS)
unit_logs_libs = daemon/logs/liblogs.la $(unit_base_libs)
unit_proto_libs = proto/libproto.la $(unit_base_libs) $(JANSSON_LIBS)
unit_keeper_libs = daemon/keeper/libkeeper.la daemon/base/libnotify.la $(unit_base_libs)
unit_core_libs = daemon/core/libcore.la $(unit_base_libs)
unit_journal_libs = daemon/journal/libjournal.la $(unit_core_libs)
unit_rpc_libs = daemon/rpc/librpc.la daemon/journal/libjournal.la daemon/core/libcore.la daemon/keeper/libkeeper.la \
	daemon/base/libnotify.la $(unit_proto_libs) $(EVENT_LIBS)
unit_client_libs = client/lib/libclient.la $(CHECK_LIBS) $(JANSSON_LIBS)
unit_ctl_libs = client/ctl/libctl.la $(unit_client_libs) $(SMARTCOLS_LIBS) $(CURSES_LIBS) $(HTTP_LIBS)

unit_tests = \
	%D%/base/test_busy_poll \
	%D%/base/test_cleanup \
	%D%/base/test_closer \
	%D%/base/test_fdpass \
	%D%/base/test_hangup \
	%D%/base/test_harmless \
	%D%/base/test_heap \
	%D%/base/test_log \
	%D%/base/test_notify \
	%D%/base/test_shelf \
	%D%/client/test_autostart \
	%D%/client/test_connection \
	%D%/client/test_endpoint \
	%D%/client/test_environment \
	%D%/client/test_error \
	%D%/client/test_events \
	%D%/client/test_exit \
	%D%/client/test_process \
	%D%/client/test_reconnect \
	%D%/client/test_round \
	%D%/client/test_shared \
	%D%/client/test_shared_look \
	%D%/client/test_shared_permit \
	%D%/client/test_shared_word \
	%D%/client/test_sync \
	%D%/core/test_absence \
	%D%/core/test_absence_grants \
	%D%/core/test_barrier \
	%D%/core/test_chain \
	%D%/core/test_client \
	%D%/core/test_condition \
	%D%/core/test_core \
	%D%/core/test_daemon_flag \
	%D%/core/test_deadlock \
	%D%/core/test_event \
	%D%/core/test_eventlog \
	%D%/core/test_graph \
	%D%/core/test_input \
	%D%/core/test_key \
	%D%/core/test_load_sync \
	%D%/core/test_lock \
	%D%/core/test_mapping \
	%D%/core/test_memory \
	%D%/core/test_object \
	%D%/core/test_open \
	%D%/core/test_order \
	%D%/core/test_permit \
	%D%/core/test_permit_offer \
	%D%/core/test_process \
	%D%/core/test_property \
	%D%/core/test_quota \
	%D%/core/test_ready \
	%D%/core/test_record \
	%D%/core/test_restart \
	%D%/core/test_rlock \
	%D%/core/test_save \
	%D%/core/test_semaphore \
	%D%/core/test_stop \
	%D%/core/test_sync_property \
	%D%/core/test_waiter \
	%D%/core/test_word \
	%D%/daemon/test_orphans \
	%D%/daemon/test_sandbox \
	%D%/daemon/test_successor \
	%D%/journal/test_journal \
	%D%/keeper/test_accept \
	%D%/keeper/test_adopt \
	%D%/keeper/test_clock \
	%D%/keeper/test_handover \
	%D%/keeper/test_hostile \
	%D%/keeper/test_ledger \
	%D%/keeper/test_loop \
	%D%/keeper/test_respawn \
	%D%/keeper/test_orders \
	%D%/keeper/test_pages \
	%D%/keeper/test_proc \
	%D%/keeper/test_pty \
	%D%/keeper/test_spawn \
	%D%/keeper/test_spec \
	%D%/keeper/test_store \
	%D%/keeper/test_killing \
	%D%/keeper/test_share \
	%D%/keeper/test_threads \
	%D%/keeper/test_tree \
	%D%/logs/test_piece \
	%D%/logs/test_rebuild \
	%D%/logs/test_store \
	%D%/logs/test_view \
	%D%/proto/test_bytes \
	%D%/proto/test_frame \
	%D%/proto/test_frame_writer \
	%D%/proto/test_message \
	%D%/proto/test_mutations \
	%D%/proto/test_openrpc \
	%D%/proto/test_schema \
	%D%/proto/test_signals \
	%D%/proto/test_writer
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)

unit_base_helpers = %D%/base/descriptors.h %D%/core/must.h
%C%_base_test_busy_poll_LDADD = $(unit_base_libs)
%C%_base_test_busy_poll_SOURCES = %D%/base/test_busy_poll.c $(unit_base_helpers)
%C%_base_test_cleanup_LDADD = $(unit_base_libs)
%C%_base_test_cleanup_SOURCES = %D%/base/test_cleanup.c $(unit_base_helpers)
%C%_base_test_closer_LDADD = $(unit_base_libs)
%C%_base_test_closer_LDFLAGS = -Wl,--wrap=pthread_create
%C%_base_test_closer_SOURCES = %D%/base/test_closer.c $(unit_base_helpers)
%C%_base_test_fdpass_LDADD = $(unit_base_libs)
%C%_base_test_fdpass_SOURCES = %D%/base/test_fdpass.c $(unit_base_helpers)
%C%_base_test_hangup_LDADD = $(unit_base_libs)
%C%_base_test_hangup_SOURCES = %D%/base/test_hangup.c $(unit_base_helpers)
%C%_base_test_harmless_LDADD = $(unit_base_libs)
%C%_base_test_harmless_SOURCES = %D%/base/test_harmless.c $(unit_base_helpers)
%C%_base_test_heap_LDADD = $(unit_base_libs)
%C%_base_test_heap_SOURCES = %D%/base/test_heap.c $(unit_base_helpers)
%C%_base_test_log_LDADD = $(unit_base_libs)
%C%_base_test_log_SOURCES = %D%/base/test_log.c $(unit_base_helpers)
%C%_base_test_notify_LDADD = daemon/base/libnotify.la $(unit_base_libs)
%C%_base_test_notify_SOURCES = %D%/base/test_notify.c $(unit_base_helpers)
%C%_base_test_shelf_LDADD = $(unit_base_libs)
%C%_base_test_shelf_SOURCES = %D%/base/test_shelf.c $(unit_base_helpers)

unit_logs_helpers = %D%/base/descriptors.h %D%/core/must.h %D%/logs/world.c %D%/logs/world.h
%C%_logs_test_piece_LDADD = $(unit_logs_libs)
%C%_logs_test_piece_SOURCES = %D%/logs/test_piece.c %D%/core/must.h
%C%_logs_test_rebuild_LDADD = $(unit_logs_libs)
%C%_logs_test_rebuild_SOURCES = %D%/logs/test_rebuild.c $(unit_logs_helpers)
%C%_logs_test_store_LDADD = $(unit_logs_libs)
%C%_logs_test_store_LDFLAGS = -Wl,--wrap=pwrite,--wrap=splice
%C%_logs_test_store_SOURCES = %D%/logs/test_store.c $(unit_logs_helpers)
%C%_logs_test_view_LDADD = $(unit_logs_libs)
%C%_logs_test_view_SOURCES = %D%/logs/test_view.c $(unit_logs_helpers)

unit_proto_helpers = %D%/base/descriptors.h %D%/core/must.h
unit_proto_frame_helpers = %D%/proto/pieces.c %D%/proto/pieces.h $(unit_proto_helpers)
unit_proto_verdict = %D%/proto/verdict.c %D%/proto/verdict.h
%C%_proto_test_bytes_LDADD = $(unit_proto_libs)
%C%_proto_test_bytes_SOURCES = %D%/proto/test_bytes.c $(unit_proto_helpers)
%C%_proto_test_frame_LDADD = $(unit_proto_libs)
%C%_proto_test_frame_SOURCES = %D%/proto/test_frame.c $(unit_proto_frame_helpers)
%C%_proto_test_frame_writer_LDADD = $(unit_proto_libs)
%C%_proto_test_frame_writer_SOURCES = %D%/proto/test_frame_writer.c $(unit_proto_frame_helpers)
%C%_proto_test_message_LDADD = $(unit_proto_libs)
%C%_proto_test_message_SOURCES = %D%/proto/test_message.c $(unit_proto_helpers)
%C%_proto_test_mutations_LDADD = $(unit_proto_libs)
%C%_proto_test_mutations_SOURCES = %D%/proto/test_mutations.c $(unit_proto_frame_helpers) \
	$(unit_proto_verdict)
%C%_proto_test_openrpc_LDADD = $(unit_proto_libs)
%C%_proto_test_openrpc_SOURCES = %D%/proto/test_openrpc.c $(unit_proto_helpers)
%C%_proto_test_schema_LDADD = $(unit_proto_libs)
%C%_proto_test_schema_SOURCES = %D%/proto/test_schema.c $(unit_proto_helpers)
%C%_proto_test_signals_LDADD = $(unit_proto_libs)
%C%_proto_test_signals_SOURCES = %D%/proto/test_signals.c $(unit_proto_helpers)
%C%_proto_test_writer_LDADD = $(unit_proto_libs)
%C%_proto_test_writer_SOURCES = %D%/proto/test_writer.c $(unit_proto_helpers)

unit_client_helpers = %D%/client/fake_daemon.c %D%/client/fake_daemon.h
unit_page_helpers = $(unit_client_helpers) %D%/client/fake_page.c %D%/client/fake_page.h
%C%_client_test_autostart_LDADD = $(unit_client_libs)
%C%_client_test_autostart_SOURCES = %D%/client/test_autostart.c $(unit_client_helpers)
%C%_client_test_connection_LDADD = $(unit_client_libs)
%C%_client_test_connection_SOURCES = %D%/client/test_connection.c $(unit_client_helpers)
%C%_client_test_endpoint_LDADD = $(unit_client_libs)
%C%_client_test_endpoint_SOURCES = %D%/client/test_endpoint.c $(unit_client_helpers)
%C%_client_test_error_LDADD = $(unit_client_libs)
%C%_client_test_error_SOURCES = %D%/client/test_error.c $(unit_client_helpers)
%C%_client_test_events_LDADD = $(unit_client_libs)
%C%_client_test_events_SOURCES = %D%/client/test_events.c $(unit_client_helpers)
%C%_client_test_process_LDADD = $(unit_client_libs)
%C%_client_test_process_SOURCES = %D%/client/test_process.c $(unit_client_helpers)
%C%_client_test_reconnect_LDADD = $(unit_client_libs)
%C%_client_test_reconnect_SOURCES = %D%/client/test_reconnect.c $(unit_client_helpers)
%C%_client_test_round_LDADD = $(unit_client_libs)
%C%_client_test_round_SOURCES = %D%/client/test_round.c $(unit_page_helpers)
%C%_client_test_shared_LDADD = $(unit_client_libs)
%C%_client_test_shared_SOURCES = %D%/client/test_shared.c $(unit_page_helpers)
%C%_client_test_shared_word_LDADD = $(unit_client_libs)
%C%_client_test_shared_word_SOURCES = %D%/client/test_shared_word.c %D%/client/one_word.c %D%/client/one_word.h $(unit_client_helpers)
%C%_client_test_shared_permit_LDADD = $(unit_client_libs)
%C%_client_test_shared_permit_SOURCES = %D%/client/test_shared_permit.c %D%/client/one_word.c %D%/client/one_word.h $(unit_client_helpers)
%C%_client_test_shared_look_LDADD = $(unit_client_libs)
%C%_client_test_shared_look_LDFLAGS = -Wl,--wrap=clock_gettime -Wl,--wrap=sched_getaffinity \
	-Wl,--wrap=sched_getscheduler -Wl,--wrap=sched_yield
%C%_client_test_shared_look_SOURCES = %D%/client/test_shared_look.c %D%/client/one_word.c %D%/client/one_word.h $(unit_client_helpers)
%C%_client_test_sync_LDADD = $(unit_client_libs)
%C%_client_test_sync_SOURCES = %D%/client/test_sync.c $(unit_client_helpers)
%C%_client_test_exit_LDADD = $(unit_client_libs)
%C%_client_test_exit_SOURCES = %D%/client/test_exit.c $(unit_client_helpers)

unit_core_helpers = %D%/core/invariants.c %D%/core/invariants.h %D%/core/invariants_sync.c %D%/core/must.h \
	 %D%/core/invariants_words.c %D%/core/pages.c %D%/core/pages.h %D%/core/world.c %D%/core/world.h
unit_core_chance = %D%/core/chance.c %D%/core/chance.h
unit_core_rounds = %D%/core/rounds.c %D%/core/rounds.h
unit_core_memory = %D%/core/memory.c %D%/core/memory.h
unit_core_model = %D%/core/model.c %D%/core/model.h %D%/core/model_absence.c %D%/core/model_compare.c %D%/core/model_deadlock.c \
	%D%/core/model_inside.h %D%/core/model_objects.c %D%/core/model_shared.c %D%/core/model_sync.c
unit_core_sync_chance = %D%/core/sync_chance.c %D%/core/sync_chance.h %D%/core/word_chance.c \
	%D%/core/word_chance.h
unit_core_twin = %D%/core/twin.c %D%/core/twin.h
unit_core_absent = %D%/core/absent.c %D%/core/absent.h $(unit_core_helpers) $(unit_core_twin)

# The test's own malloc and its kin stand in front of the C library's.
unit_memory_flags = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free

unit_keeper_helpers = %D%/keeper/harness.c %D%/keeper/harness.h %D%/keeper/spec_builder.h
%C%_journal_test_journal_LDADD = $(unit_journal_libs)
%C%_journal_test_journal_LDFLAGS = -Wl,--wrap=fallocate
%C%_journal_test_journal_SOURCES = %D%/journal/test_journal.c $(unit_core_chance)
%C%_keeper_test_accept_LDADD = $(unit_keeper_libs)
%C%_keeper_test_accept_LDFLAGS = -Wl,--wrap=getsockopt
%C%_keeper_test_accept_SOURCES = %D%/keeper/test_accept.c $(unit_keeper_helpers)
%C%_keeper_test_adopt_LDADD = $(unit_keeper_libs)
%C%_keeper_test_adopt_SOURCES = %D%/keeper/test_adopt.c $(unit_keeper_helpers)
%C%_keeper_test_clock_LDADD = $(unit_keeper_libs)
%C%_keeper_test_clock_LDFLAGS = -Wl,--wrap=clock_gettime
%C%_keeper_test_clock_SOURCES = %D%/keeper/test_clock.c $(unit_keeper_helpers)
%C%_keeper_test_handover_LDADD = $(unit_keeper_libs)
%C%_keeper_test_handover_SOURCES = %D%/keeper/test_handover.c
%C%_keeper_test_hostile_LDADD = $(unit_keeper_libs)
%C%_keeper_test_hostile_SOURCES = %D%/keeper/test_hostile.c $(unit_keeper_helpers)
%C%_keeper_test_ledger_LDADD = $(unit_keeper_libs)
%C%_keeper_test_ledger_LDFLAGS = -Wl,--wrap=fallocate
%C%_keeper_test_ledger_SOURCES = %D%/keeper/test_ledger.c $(unit_base_helpers)
%C%_keeper_test_loop_LDADD = $(unit_keeper_libs)
%C%_keeper_test_loop_LDFLAGS = -Wl,--wrap=epoll_ctl
%C%_keeper_test_loop_SOURCES = %D%/keeper/test_loop.c $(unit_base_helpers)
%C%_keeper_test_respawn_LDADD = $(unit_keeper_libs)
%C%_keeper_test_respawn_SOURCES = %D%/keeper/test_respawn.c $(unit_keeper_helpers)
%C%_keeper_test_orders_LDADD = $(unit_keeper_libs)
%C%_keeper_test_orders_SOURCES = %D%/keeper/test_orders.c $(unit_keeper_helpers)
%C%_keeper_test_pages_LDADD = $(unit_keeper_libs)
%C%_keeper_test_pages_SOURCES = %D%/keeper/test_pages.c $(unit_keeper_helpers)
%C%_keeper_test_proc_LDADD = $(unit_keeper_libs)
%C%_keeper_test_proc_SOURCES = %D%/keeper/test_proc.c $(unit_base_helpers)
%C%_keeper_test_pty_LDADD = $(unit_keeper_libs)
%C%_keeper_test_pty_SOURCES = %D%/keeper/test_pty.c $(unit_keeper_helpers)
%C%_keeper_test_spawn_LDADD = $(unit_keeper_libs)
%C%_keeper_test_spawn_SOURCES = %D%/keeper/test_spawn.c $(unit_keeper_helpers)
%C%_keeper_test_store_LDADD = $(unit_keeper_libs)
%C%_keeper_test_store_SOURCES = %D%/keeper/test_store.c %D%/keeper/spec_builder.h $(unit_base_helpers)
%C%_keeper_test_killing_LDADD = $(unit_keeper_libs)
%C%_keeper_test_killing_SOURCES = %D%/keeper/test_killing.c
%C%_keeper_test_share_LDADD = $(unit_keeper_libs)
%C%_keeper_test_share_SOURCES = %D%/keeper/test_share.c $(unit_keeper_helpers)
%C%_keeper_test_threads_LDADD = $(unit_keeper_libs)
%C%_keeper_test_threads_SOURCES = %D%/keeper/test_threads.c $(unit_keeper_helpers)
%C%_keeper_test_tree_LDADD = $(unit_keeper_libs)
%C%_keeper_test_tree_SOURCES = %D%/keeper/test_tree.c $(unit_keeper_helpers)
%C%_keeper_test_spec_LDADD = $(unit_keeper_libs)
%C%_keeper_test_spec_SOURCES = %D%/keeper/test_spec.c $(unit_keeper_helpers)
%C%_daemon_test_orphans_LDADD = $(unit_base_libs)
%C%_daemon_test_orphans_SOURCES = %D%/daemon/test_orphans.c daemon/orphans.c daemon/orphans.h $(unit_base_helpers)
%C%_daemon_test_sandbox_LDADD = $(unit_base_libs)
%C%_daemon_test_sandbox_SOURCES = %D%/daemon/test_sandbox.c daemon/sandbox.c daemon/sandbox.h
%C%_daemon_test_successor_LDADD = $(unit_keeper_libs)
%C%_daemon_test_successor_SOURCES = %D%/daemon/test_successor.c daemon/successor.c daemon/successor.h \
	$(unit_base_helpers)
%C%_client_test_environment_LDADD = $(unit_client_libs)
%C%_client_test_environment_SOURCES = %D%/client/test_environment.c $(unit_client_helpers)
%C%_core_test_absence_LDADD = $(unit_core_libs)
%C%_core_test_absence_LDFLAGS = $(unit_memory_flags)
%C%_core_test_absence_SOURCES = %D%/core/test_absence.c $(unit_core_absent) $(unit_core_memory)
%C%_core_test_absence_grants_LDADD = $(unit_core_libs)
%C%_core_test_absence_grants_SOURCES = %D%/core/test_absence_grants.c $(unit_core_absent)
%C%_core_test_barrier_LDADD = $(unit_core_libs)
%C%_core_test_barrier_SOURCES = %D%/core/test_barrier.c $(unit_core_helpers)
%C%_core_test_chain_LDADD = $(unit_core_libs)
%C%_core_test_chain_SOURCES = %D%/core/test_chain.c $(unit_core_helpers)
%C%_core_test_client_LDADD = $(unit_core_libs)
%C%_core_test_client_SOURCES = %D%/core/test_client.c $(unit_core_helpers)
%C%_core_test_condition_LDADD = $(unit_core_libs)
%C%_core_test_condition_SOURCES = %D%/core/test_condition.c $(unit_core_helpers)
%C%_core_test_core_LDADD = $(unit_core_libs)
%C%_core_test_core_SOURCES = %D%/core/test_core.c $(unit_core_helpers)
%C%_core_test_daemon_flag_LDADD = $(unit_core_libs)
%C%_core_test_daemon_flag_SOURCES = %D%/core/test_daemon_flag.c $(unit_core_helpers)
%C%_core_test_deadlock_LDADD = $(unit_core_libs)
%C%_core_test_deadlock_SOURCES = %D%/core/test_deadlock.c $(unit_core_helpers)
%C%_core_test_event_LDADD = $(unit_core_libs)
%C%_core_test_event_SOURCES = %D%/core/test_event.c $(unit_core_helpers)
%C%_core_test_eventlog_LDADD = $(unit_core_libs)
%C%_core_test_eventlog_SOURCES = %D%/core/test_eventlog.c $(unit_core_helpers)
%C%_core_test_graph_LDADD = $(unit_core_libs)
%C%_core_test_graph_SOURCES = %D%/core/test_graph.c $(unit_core_helpers)
%C%_core_test_input_LDADD = $(unit_core_libs)
%C%_core_test_input_SOURCES = %D%/core/test_input.c $(unit_core_helpers)
%C%_core_test_key_LDADD = $(unit_core_libs)
%C%_core_test_key_SOURCES = %D%/core/test_key.c $(unit_core_helpers)
%C%_core_test_memory_LDADD = $(unit_core_libs)
%C%_core_test_memory_LDFLAGS = $(unit_memory_flags)
%C%_core_test_memory_SOURCES = %D%/core/test_memory.c $(unit_core_helpers) $(unit_core_memory)
%C%_core_test_load_sync_LDADD = $(unit_core_libs)
%C%_core_test_load_sync_LDFLAGS = $(unit_memory_flags)
%C%_core_test_load_sync_SOURCES = %D%/core/test_load_sync.c $(unit_core_helpers) $(unit_core_memory) $(unit_core_twin)
%C%_core_test_lock_LDADD = $(unit_core_libs)
%C%_core_test_lock_SOURCES = %D%/core/test_lock.c $(unit_core_helpers)
%C%_core_test_mapping_LDADD = $(unit_core_libs)
%C%_core_test_mapping_SOURCES = %D%/core/test_mapping.c $(unit_core_helpers)
%C%_core_test_object_LDADD = $(unit_core_libs)
%C%_core_test_object_SOURCES = %D%/core/test_object.c $(unit_core_helpers)
%C%_core_test_open_LDADD = $(unit_core_libs)
%C%_core_test_open_SOURCES = %D%/core/test_open.c $(unit_core_helpers)
%C%_core_test_order_LDADD = $(unit_core_libs)
%C%_core_test_order_SOURCES = %D%/core/test_order.c $(unit_core_helpers)
%C%_core_test_process_LDADD = $(unit_core_libs)
%C%_core_test_process_SOURCES = %D%/core/test_process.c $(unit_core_helpers)
%C%_core_test_property_LDADD = $(unit_core_libs)
%C%_core_test_property_LDFLAGS = $(unit_memory_flags)
%C%_core_test_property_SOURCES = %D%/core/test_property.c $(unit_core_helpers) $(unit_core_chance) \
	$(unit_core_memory) $(unit_core_rounds) $(unit_core_twin)
%C%_core_test_sync_property_LDADD = $(unit_core_libs)
%C%_core_test_sync_property_LDFLAGS = $(unit_memory_flags)
%C%_core_test_sync_property_SOURCES = %D%/core/test_sync_property.c $(unit_core_helpers) $(unit_core_chance) \
	$(unit_core_memory) $(unit_core_model) $(unit_core_rounds) $(unit_core_sync_chance) $(unit_core_twin)
%C%_core_test_quota_LDADD = $(unit_core_libs)
%C%_core_test_quota_SOURCES = %D%/core/test_quota.c $(unit_core_helpers)
%C%_core_test_ready_LDADD = $(unit_core_libs)
%C%_core_test_ready_SOURCES = %D%/core/test_ready.c $(unit_core_helpers)
%C%_core_test_record_LDADD = $(unit_core_libs)
%C%_core_test_record_SOURCES = %D%/core/test_record.c $(unit_core_helpers)
%C%_core_test_restart_LDADD = $(unit_core_libs)
%C%_core_test_restart_SOURCES = %D%/core/test_restart.c $(unit_core_helpers)
%C%_core_test_rlock_LDADD = $(unit_core_libs)
%C%_core_test_rlock_SOURCES = %D%/core/test_rlock.c $(unit_core_helpers)
%C%_core_test_save_LDADD = $(unit_core_libs)
%C%_core_test_save_SOURCES = %D%/core/test_save.c $(unit_core_helpers) $(unit_core_chance) $(unit_core_twin)
%C%_core_test_semaphore_LDADD = $(unit_core_libs)
%C%_core_test_semaphore_SOURCES = %D%/core/test_semaphore.c $(unit_core_helpers)
%C%_core_test_stop_LDADD = $(unit_core_libs)
%C%_core_test_stop_SOURCES = %D%/core/test_stop.c $(unit_core_helpers)
%C%_core_test_waiter_LDADD = $(unit_core_libs)
%C%_core_test_waiter_SOURCES = %D%/core/test_waiter.c $(unit_core_helpers)
%C%_core_test_permit_offer_LDADD = $(unit_core_libs)
%C%_core_test_permit_offer_SOURCES = %D%/core/test_permit_offer.c $(unit_core_helpers)
%C%_core_test_permit_LDADD = $(unit_core_libs)
%C%_core_test_permit_SOURCES = %D%/core/test_permit.c $(unit_core_helpers)
%C%_core_test_word_LDADD = $(unit_core_libs)
%C%_core_test_word_SOURCES = %D%/core/test_word.c $(unit_core_helpers)
