# SPDX-License-Identifier: MIT
# Completions for procctl, written by procctl itself from the table of its commands.
nodist_bashcompletion_DATA = %D%/procctl
nodist_zshcompletion_DATA = %D%/_procctl
nodist_fishcompletion_DATA = %D%/procctl.fish
CLEANFILES += %D%/procctl %D%/_procctl %D%/procctl.fish

complete = $(AM_V_GEN)$(MKDIR_P) $(@D) && ./procctl completion

%D%/procctl: procctl
	$(complete) bash >$@.part && mv $@.part $@
%D%/_procctl: procctl
	$(complete) zsh >$@.part && mv $@.part $@
%D%/procctl.fish: procctl
	$(complete) fish >$@.part && mv $@.part $@
