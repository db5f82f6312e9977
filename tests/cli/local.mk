# SPDX-License-Identifier: MIT
# procctl and procd as a person or a script uses them.
cli_scripts = %D%/test_autostart.sh %D%/test_commands.sh %D%/test_completions.sh %D%/test_exit_codes.sh \
	%D%/test_errors.sh %D%/test_graph.sh %D%/test_help.sh %D%/test_json.sh %D%/test_lock.sh %D%/test_logs.sh %D%/test_many.sh %D%/test_manuals.sh \
	%D%/test_output.sh %D%/test_pty.sh %D%/test_restart_option.sh %D%/test_run.sh %D%/test_signals.py %D%/test_sync.sh %D%/test_terminal.sh \
	%D%/test_top.sh %D%/test_trace.sh %D%/test_metrics.sh %D%/test_remote.sh
cli_helpers = %D%/common.sh %D%/type_in_shell.py %D%/use_pty.py %D%/use_terminal.py %D%/use_top.py %D%/with_sshd.sh
TESTS += $(cli_scripts)
EXTRA_DIST += $(cli_scripts) $(cli_helpers)
check_PROGRAMS += %D%/far_client
%C%_far_client_LDADD = $(unit_client_libs)
