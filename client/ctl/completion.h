/*
 * Completions for shells, from the table of commands.
 */
#ifndef PROCD_CTL_COMPLETION_H
#define PROCD_CTL_COMPLETION_H

void print_bash_completion(void);
void print_zsh_completion(void);
void print_fish_completion(void);

#endif
