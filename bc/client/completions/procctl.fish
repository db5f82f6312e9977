# procctl(1) for fish. Made by: procctl completion fish

# The words behind procctl that are no options.
function __procctl_words
    set -l skip 0
    for word in (commandline -opc)[2..]
        if test $skip = 1
            set skip 0
        else if contains -- $word -s --socket --color
            set skip 1
        else if not string match -q -- '-*' $word
            echo $word
        end
    end
end

function __procctl_needs_command
    test (count (__procctl_words)) = 0
end

function __procctl_is
    set -l words (__procctl_words)
    contains -- "$words[1]" $argv
end

function __procctl_counts
    test (count (__procctl_words)) = $argv[1]
end

# Names of two words: the first alone; and one of the second words.
function __procctl_needs_second
    __procctl_is $argv; and __procctl_counts 1
end

function __procctl_is_second
    set -l words (__procctl_words)
    test "$words[1] $words[2]" = "$argv"
end

# A command that is also the first word of others, which follow it here.
function __procctl_is_alone
    set -l words (__procctl_words)
    test "$words[1]" = $argv[1]; and not contains -- "$words[2]" $argv[2..]
end

# The daemon that the command line names, as options of procctl. Of kill, -s is another option.
function __procctl_daemon
    set -l words (commandline -opc)[2..]
    set -l count (count $words)
    for i in (seq $count)
        switch $words[$i]
            case --socket -s
                if test $words[$i] = --socket; or not contains kill $words
                    test $i = $count; or printf '%s\n' -s $words[(math $i + 1)]
                end
            case '--socket=*'
                printf '%s\n' -s (string replace -- --socket= '' $words[$i])
            case --
                return
        end
    end
end

# Words of the daemon's, a tab, and what they are.
function __procctl_processes
    procctl (__procctl_daemon) --no-autostart -q completion processes 2>/dev/null
end

function __procctl_objects
    procctl (__procctl_daemon) --no-autostart -q completion objects 2>/dev/null
end

complete -c procctl -f
complete -c procctl -s s -l socket -r -F -d 'talk to the daemon whose socket is PATH'
complete -c procctl -s H -l host -x -d 'talk to the daemon of another machine, ssh://[user@]host[:port]'
complete -c procctl -l no-autostart -d 'do not start a daemon where none answers'
complete -c procctl -l json -d 'print exactly one JSON document (streams: one a line)'
complete -c procctl -s q -l quiet -d 'no notes, only results and errors'
complete -c procctl -l color -x -a 'auto always never' -d 'colors: auto (on a terminal), always or never'
complete -c procctl -l version -d 'print the version'
complete -c procctl -l help -d 'print help; after a command, help for it'
complete -c procctl -n __procctl_needs_command -a spawn -d 'start a process and print its id'
complete -c procctl -n '__procctl_is spawn ' -s n -l name -x -d 'name of the process; default Process-N'
complete -c procctl -n '__procctl_is spawn ' -s e -l env -x -d 'set a variable of its environment, which is else that of procctl'
complete -c procctl -n '__procctl_is spawn ' -s C -l chdir -x -a '(__fish_complete_directories)' -d 'its working directory; default that of procctl'
complete -c procctl -n '__procctl_is spawn ' -l daemon -d 'end it when the calling shell (the parent of procctl) ends'
complete -c procctl -n '__procctl_is spawn ' -l for-pid -x -d 'end it when the process PID ends'
complete -c procctl -n '__procctl_is spawn ' -l stdin -r -F -d 'its standard input'
complete -c procctl -n '__procctl_is spawn ' -l stdout -r -F -d 'its standard output; FILE is made anew'
complete -c procctl -n '__procctl_is spawn ' -l restart -x -a 'no on-failure always' -d 'start it again when it ends: always, on-failure[:TRIES] or no; ...[,delay=SEC]'
complete -c procctl -n '__procctl_is spawn ' -l limit -x -a 'nofile= nproc= core= as= cpu= fsize= stack= memlock=' -d 'a resource limit: N, SOFT:HARD or unlimited'
complete -c procctl -n '__procctl_is spawn ' -s l -l label -x -d 'a label, to be found again'
complete -c procctl -n '__procctl_is spawn ' -x -a '(__fish_complete_subcommand --fcs-skip=2)'
complete -c procctl -n __procctl_needs_command -a run -d 'run a process in the foreground and exit as it does'
complete -c procctl -n '__procctl_is run ' -s n -l name -x -d 'name of the process; default Process-N'
complete -c procctl -n '__procctl_is run ' -s e -l env -x -d 'set a variable of its environment, which is else that of procctl'
complete -c procctl -n '__procctl_is run ' -s C -l chdir -x -a '(__fish_complete_directories)' -d 'its working directory; default that of procctl'
complete -c procctl -n '__procctl_is run ' -l daemon -d 'end it when the calling shell (the parent of procctl) ends'
complete -c procctl -n '__procctl_is run ' -l for-pid -x -d 'end it when the process PID ends'
complete -c procctl -n '__procctl_is run ' -l stdin -r -F -d 'its standard input'
complete -c procctl -n '__procctl_is run ' -l stdout -r -F -d 'its standard output; FILE is made anew'
complete -c procctl -n '__procctl_is run ' -l restart -x -a 'no on-failure always' -d 'start it again when it ends: always, on-failure[:TRIES] or no; ...[,delay=SEC]'
complete -c procctl -n '__procctl_is run ' -l limit -x -a 'nofile= nproc= core= as= cpu= fsize= stack= memlock=' -d 'a resource limit: N, SOFT:HARD or unlimited'
complete -c procctl -n '__procctl_is run ' -s l -l label -x -d 'a label, to be found again'
complete -c procctl -n '__procctl_is run ' -s w -l timeout -x -d 'wait no longer than SEC seconds (exit 124)'
complete -c procctl -n '__procctl_is run ' -x -a '(__fish_complete_subcommand --fcs-skip=2)'
complete -c procctl -n __procctl_needs_command -a ps -d 'list processes'
complete -c procctl -n '__procctl_is ps ls list' -s a -l all -d 'ended processes, too'
complete -c procctl -n '__procctl_is ps ls list' -x -k -a '(__procctl_processes)'
complete -c procctl -n __procctl_needs_command -a inspect -d 'print everything about a process'
complete -c procctl -n '__procctl_is inspect show' -x -k -a '(__procctl_processes)'
complete -c procctl -n __procctl_needs_command -a join -d 'wait until processes have ended'
complete -c procctl -n '__procctl_is join wait' -s w -l timeout -x -d 'wait no longer than SEC seconds (exit 124)'
complete -c procctl -n '__procctl_is join wait' -x -k -a '(__procctl_processes)'
complete -c procctl -n __procctl_needs_command -a is-alive -d 'print yes and exit 0, or no and exit 3'
complete -c procctl -n '__procctl_is is-alive ' -x -k -a '(__procctl_processes)'
complete -c procctl -n __procctl_needs_command -a terminate -d 'send SIGTERM to processes and their descendants'
complete -c procctl -n '__procctl_is terminate ' -x -k -a '(__procctl_processes)'
complete -c procctl -n __procctl_needs_command -a kill -d 'send a signal to processes'
complete -c procctl -n '__procctl_is kill ' -s s -l signal -x -a 'HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH POLL PWR SYS' -d 'name or number of the signal; default TERM'
complete -c procctl -n '__procctl_is kill ' -x -k -a '(__procctl_processes)'
complete -c procctl -n __procctl_needs_command -a stop -d 'end processes and wait until all their descendants are gone'
complete -c procctl -n '__procctl_is stop ' -s g -l grace -x -d 'seconds between the first signal and SIGKILL; default 10'
complete -c procctl -n '__procctl_is stop ' -x -k -a '(__procctl_processes)'
complete -c procctl -n __procctl_needs_command -a rm -d 'forget ended processes'
complete -c procctl -n '__procctl_is rm ' -x -k -a '(__procctl_processes)'
complete -c procctl -n __procctl_needs_command -a prune -d 'forget all ended processes'
complete -c procctl -n __procctl_needs_command -a logs -d 'print what a process has written to its standard output and error'
complete -c procctl -n '__procctl_is logs ' -s f -l follow -d 'go on with what happens from now on'
complete -c procctl -n '__procctl_is logs ' -s n -l tail -x -d 'only the last N lines that are there'
complete -c procctl -n '__procctl_is logs ' -s t -l timestamps -d 'put in front of each line when it came'
complete -c procctl -n '__procctl_is logs ' -l stream -x -a 'stdout stderr' -d 'only stdout, or only stderr'
complete -c procctl -n '__procctl_is logs ' -x -k -a '(__procctl_processes)'
complete -c procctl -n __procctl_needs_command -a events -d 'print what happened, one event a line'
complete -c procctl -n '__procctl_is events ' -l since -x -d 'begin behind event number SEQ; 0: with the oldest that is kept'
complete -c procctl -n '__procctl_is events ' -s f -l follow -d 'go on with what happens from now on'
complete -c procctl -n '__procctl_is events ' -s n -l count -x -d 'end after N events'
complete -c procctl -n '__procctl_is events ' -l kind -x -a 'process.spawned process.ready process.exited process.restarting process.stopped process.continued process.spawn_failed process.oom object.created object.unlinked lock.abandoned lock.acquired lock.released lock.waiting barrier.broken deadlock.detected client.connected client.gone daemon.restarted gap process.* object.* lock.* client.*' -d 'only events of this kind; a pattern may end in .*'
complete -c procctl -n __procctl_needs_command -a top -d 'show processes and objects as they change'
complete -c procctl -n '__procctl_is top ' -l once -d 'print the tables once, and do not take the terminal'
complete -c procctl -n '__procctl_is top ' -s d -l delay -x -d 'seconds between two looks; default 2'
complete -c procctl -n '__procctl_is top ' -s a -l all -d 'ended processes, too'
complete -c procctl -n __procctl_needs_command -a stats -d 'print what processes use, again and again'
complete -c procctl -n '__procctl_is stats ' -s d -l delay -x -d 'seconds between two looks; default 2'
complete -c procctl -n '__procctl_is stats ' -s n -l count -x -d 'end after N tables; default 1 where the output is no terminal'
complete -c procctl -n '__procctl_is stats ' -x -k -a '(__procctl_processes)'
complete -c procctl -n __procctl_needs_command -a lock -d 'run a command that holds a lock'
complete -c procctl -n '__procctl_is_alone lock acquire release show break' -s n -l nonblock -d 'do not wait (exit 1)'
complete -c procctl -n '__procctl_is_alone lock acquire release show break' -s w -l timeout -x -d 'wait no longer than SEC seconds (exit 1)'
complete -c procctl -n '__procctl_is_alone lock acquire release show break' -s E -l conflict-exit-code -x -d 'exit N, not 1, where it could not be had'
complete -c procctl -n '__procctl_is_alone lock acquire release show break' -s F -l no-fork -d 'become CMD, instead of waiting for it'
complete -c procctl -n '__procctl_is_alone lock acquire release show break' -l mode -x -d 'if it is made now, and shared (/NAME): who may use it; default 0600'
complete -c procctl -n '__procctl_is_alone lock acquire release show break; and __procctl_counts 1' -x -k -a '(__procctl_objects)'
complete -c procctl -n '__procctl_is_alone lock acquire release show break; and not __procctl_counts 1' -x -a '(__fish_complete_subcommand --fcs-skip=3)'
complete -c procctl -n '__procctl_needs_second lock' -a acquire -d 'acquire a lock for the calling shell and print its token'
complete -c procctl -n __procctl_needs_command -a lock
complete -c procctl -n '__procctl_is_second lock acquire' -s n -l nonblock -d 'do not wait (exit 1)'
complete -c procctl -n '__procctl_is_second lock acquire' -s w -l timeout -x -d 'wait no longer than SEC seconds (exit 124)'
complete -c procctl -n '__procctl_is_second lock acquire' -l for-pid -x -d 'act for the process PID, not for the calling shell (the parent of procctl)'
complete -c procctl -n '__procctl_is_second lock acquire' -l mode -x -d 'if it is made now, and shared (/NAME): who may use it; default 0600'
complete -c procctl -n '__procctl_is_second lock acquire' -x -k -a '(__procctl_objects)'
complete -c procctl -n '__procctl_needs_second lock' -a release -d 'release a lock, whoever holds it'
complete -c procctl -n __procctl_needs_command -a lock
complete -c procctl -n '__procctl_is_second lock release' -l token -x -d 'only if N is the token of the present hold'
complete -c procctl -n '__procctl_is_second lock release' -x -k -a '(__procctl_objects)'
complete -c procctl -n '__procctl_needs_second lock' -a show -d 'print who holds a lock, and who waits for it'
complete -c procctl -n __procctl_needs_command -a lock
complete -c procctl -n '__procctl_is_second lock show' -x -k -a '(__procctl_objects)'
complete -c procctl -n '__procctl_needs_second lock' -a break -d 'take a lock away from its holder'
complete -c procctl -n __procctl_needs_command -a lock
complete -c procctl -n '__procctl_is_second lock break' -x -k -a '(__procctl_objects)'
complete -c procctl -n __procctl_needs_command -a rlock -d 'run a command that holds an rlock'
complete -c procctl -n '__procctl_is_alone rlock acquire release show break' -s n -l nonblock -d 'do not wait (exit 1)'
complete -c procctl -n '__procctl_is_alone rlock acquire release show break' -s w -l timeout -x -d 'wait no longer than SEC seconds (exit 1)'
complete -c procctl -n '__procctl_is_alone rlock acquire release show break' -s E -l conflict-exit-code -x -d 'exit N, not 1, where it could not be had'
complete -c procctl -n '__procctl_is_alone rlock acquire release show break' -s F -l no-fork -d 'become CMD, instead of waiting for it'
complete -c procctl -n '__procctl_is_alone rlock acquire release show break' -l mode -x -d 'if it is made now, and shared (/NAME): who may use it; default 0600'
complete -c procctl -n '__procctl_is_alone rlock acquire release show break; and __procctl_counts 1' -x -k -a '(__procctl_objects)'
complete -c procctl -n '__procctl_is_alone rlock acquire release show break; and not __procctl_counts 1' -x -a '(__fish_complete_subcommand --fcs-skip=3)'
complete -c procctl -n '__procctl_needs_second rlock' -a acquire -d 'acquire an rlock for the calling shell, also once more'
complete -c procctl -n __procctl_needs_command -a rlock
complete -c procctl -n '__procctl_is_second rlock acquire' -s n -l nonblock -d 'do not wait (exit 1)'
complete -c procctl -n '__procctl_is_second rlock acquire' -s w -l timeout -x -d 'wait no longer than SEC seconds (exit 124)'
complete -c procctl -n '__procctl_is_second rlock acquire' -l for-pid -x -d 'act for the process PID, not for the calling shell (the parent of procctl)'
complete -c procctl -n '__procctl_is_second rlock acquire' -l mode -x -d 'if it is made now, and shared (/NAME): who may use it; default 0600'
complete -c procctl -n '__procctl_is_second rlock acquire' -x -k -a '(__procctl_objects)'
complete -c procctl -n '__procctl_needs_second rlock' -a release -d 'release one level of an rlock that the calling shell holds'
complete -c procctl -n __procctl_needs_command -a rlock
complete -c procctl -n '__procctl_is_second rlock release' -l for-pid -x -d 'act for the process PID, not for the calling shell (the parent of procctl)'
complete -c procctl -n '__procctl_is_second rlock release' -x -k -a '(__procctl_objects)'
complete -c procctl -n '__procctl_needs_second rlock' -a show -d 'print who holds an rlock, and who waits for it'
complete -c procctl -n __procctl_needs_command -a rlock
complete -c procctl -n '__procctl_is_second rlock show' -x -k -a '(__procctl_objects)'
complete -c procctl -n '__procctl_needs_second rlock' -a break -d 'take an rlock away from its holder, all levels'
complete -c procctl -n __procctl_needs_command -a rlock
complete -c procctl -n '__procctl_is_second rlock break' -x -k -a '(__procctl_objects)'
complete -c procctl -n __procctl_needs_command -a semaphore -d 'run a command that holds a permit of a semaphore'
complete -c procctl -n '__procctl_is_alone semaphore create acquire release show' -s n -l nonblock -d 'do not wait (exit 1)'
complete -c procctl -n '__procctl_is_alone semaphore create acquire release show' -s w -l timeout -x -d 'wait no longer than SEC seconds (exit 1)'
complete -c procctl -n '__procctl_is_alone semaphore create acquire release show' -s E -l conflict-exit-code -x -d 'exit N, not 1, where it could not be had'
complete -c procctl -n '__procctl_is_alone semaphore create acquire release show' -s F -l no-fork -d 'become CMD, instead of waiting for it'
complete -c procctl -n '__procctl_is_alone semaphore create acquire release show; and __procctl_counts 1' -x -k -a '(__procctl_objects)'
complete -c procctl -n '__procctl_is_alone semaphore create acquire release show; and not __procctl_counts 1' -x -a '(__fish_complete_subcommand --fcs-skip=3)'
complete -c procctl -n '__procctl_needs_second semaphore' -a create -d 'make a semaphore'
complete -c procctl -n __procctl_needs_command -a semaphore
complete -c procctl -n '__procctl_is_second semaphore create' -s v -l value -x -d 'how many permits there are; default 1'
complete -c procctl -n '__procctl_is_second semaphore create' -l bound -d 'there are never more: a release too many fails; permits of the dead return'
complete -c procctl -n '__procctl_is_second semaphore create' -l mode -x -d 'if it is made now, and shared (/NAME): who may use it; default 0600'
complete -c procctl -n '__procctl_needs_second semaphore' -a acquire -d 'take a permit for the calling shell and print its token'
complete -c procctl -n __procctl_needs_command -a semaphore
complete -c procctl -n '__procctl_is_second semaphore acquire' -s n -l nonblock -d 'do not wait (exit 1)'
complete -c procctl -n '__procctl_is_second semaphore acquire' -s w -l timeout -x -d 'wait no longer than SEC seconds (exit 124)'
complete -c procctl -n '__procctl_is_second semaphore acquire' -l for-pid -x -d 'act for the process PID, not for the calling shell (the parent of procctl)'
complete -c procctl -n '__procctl_is_second semaphore acquire' -x -k -a '(__procctl_objects)'
complete -c procctl -n '__procctl_needs_second semaphore' -a release -d 'give permits to a semaphore'
complete -c procctl -n __procctl_needs_command -a semaphore
complete -c procctl -n '__procctl_is_second semaphore release' -s n -l permits -x -d 'how many permits; default 1'
complete -c procctl -n '__procctl_is_second semaphore release' -l for-pid -x -d 'act for the process PID, not for the calling shell (the parent of procctl)'
complete -c procctl -n '__procctl_is_second semaphore release' -x -k -a '(__procctl_objects)'
complete -c procctl -n '__procctl_needs_second semaphore' -a show -d 'print who holds permits, and who waits for one'
complete -c procctl -n __procctl_needs_command -a semaphore
complete -c procctl -n '__procctl_is_second semaphore show' -x -k -a '(__procctl_objects)'
complete -c procctl -n '__procctl_needs_second event' -a set -d 'set an event: who waits for it goes on'
complete -c procctl -n __procctl_needs_command -a event
complete -c procctl -n '__procctl_is_second event set' -l mode -x -d 'if it is made now, and shared (/NAME): who may use it; default 0600'
complete -c procctl -n '__procctl_is_second event set' -x -k -a '(__procctl_objects)'
complete -c procctl -n '__procctl_needs_second event' -a clear -d 'clear an event'
complete -c procctl -n __procctl_needs_command -a event
complete -c procctl -n '__procctl_is_second event clear' -l mode -x -d 'if it is made now, and shared (/NAME): who may use it; default 0600'
complete -c procctl -n '__procctl_is_second event clear' -x -k -a '(__procctl_objects)'
complete -c procctl -n '__procctl_needs_second event' -a is-set -d 'print yes and exit 0, or no and exit 1'
complete -c procctl -n __procctl_needs_command -a event
complete -c procctl -n '__procctl_is_second event is-set' -x -k -a '(__procctl_objects)'
complete -c procctl -n '__procctl_needs_second event' -a wait -d 'wait until an event is set'
complete -c procctl -n __procctl_needs_command -a event
complete -c procctl -n '__procctl_is_second event wait' -s w -l timeout -x -d 'wait no longer than SEC seconds (exit 124)'
complete -c procctl -n '__procctl_is_second event wait' -l mode -x -d 'if it is made now, and shared (/NAME): who may use it; default 0600'
complete -c procctl -n '__procctl_is_second event wait' -x -k -a '(__procctl_objects)'
complete -c procctl -n '__procctl_needs_second condition' -a wait -d 'wait for a notify'
complete -c procctl -n __procctl_needs_command -a condition
complete -c procctl -n '__procctl_is_second condition wait' -s w -l timeout -x -d 'wait no longer than SEC seconds (exit 124)'
complete -c procctl -n '__procctl_is_second condition wait' -l mode -x -d 'if it is made now, and shared (/NAME): who may use it; default 0600'
complete -c procctl -n '__procctl_is_second condition wait' -x -k -a '(__procctl_objects)'
complete -c procctl -n '__procctl_needs_second condition' -a notify -d 'wake one that waits, if there is one'
complete -c procctl -n __procctl_needs_command -a condition
complete -c procctl -n '__procctl_is_second condition notify' -l mode -x -d 'if it is made now, and shared (/NAME): who may use it; default 0600'
complete -c procctl -n '__procctl_is_second condition notify' -x -k -a '(__procctl_objects)'
complete -c procctl -n '__procctl_needs_second condition' -a notify-all -d 'wake all that wait'
complete -c procctl -n __procctl_needs_command -a condition
complete -c procctl -n '__procctl_is_second condition notify-all' -l mode -x -d 'if it is made now, and shared (/NAME): who may use it; default 0600'
complete -c procctl -n '__procctl_is_second condition notify-all' -x -k -a '(__procctl_objects)'
complete -c procctl -n '__procctl_needs_second barrier' -a wait -d 'wait until all parties have come; print one\'s number'
complete -c procctl -n __procctl_needs_command -a barrier
complete -c procctl -n '__procctl_is_second barrier wait' -s p -l parties -x -d 'how many meet; not needed where it exists'
complete -c procctl -n '__procctl_is_second barrier wait' -s w -l timeout -x -d 'break it for all after SEC seconds (exit 6)'
complete -c procctl -n '__procctl_is_second barrier wait' -l mode -x -d 'if it is made now, and shared (/NAME): who may use it; default 0600'
complete -c procctl -n '__procctl_is_second barrier wait' -x -k -a '(__procctl_objects)'
complete -c procctl -n '__procctl_needs_second barrier' -a reset -d 'begin anew: who waits exits 6, who comes then waits'
complete -c procctl -n __procctl_needs_command -a barrier
complete -c procctl -n '__procctl_is_second barrier reset' -x -k -a '(__procctl_objects)'
complete -c procctl -n '__procctl_needs_second barrier' -a abort -d 'break a barrier: who waits, or comes, exits 6'
complete -c procctl -n __procctl_needs_command -a barrier
complete -c procctl -n '__procctl_is_second barrier abort' -x -k -a '(__procctl_objects)'
complete -c procctl -n __procctl_needs_command -a objects -d 'list synchronisation objects'
complete -c procctl -n __procctl_needs_command -a unlink -d 'remove synchronisation objects'
complete -c procctl -n '__procctl_is unlink ' -x -k -a '(__procctl_objects)'
complete -c procctl -n __procctl_needs_command -a graph -d 'print who waits for whom, as a graph for dot(1)'
complete -c procctl -n __procctl_needs_command -a trace -d 'write processes, holds and waits as a trace for Perfetto'
complete -c procctl -n '__procctl_is trace ' -s o -l output -r -F -d 'write to FILE; default standard output'
complete -c procctl -n __procctl_needs_command -a metrics -d 'print figures as OpenMetrics text'
complete -c procctl -n '__procctl_is metrics ' -l listen -x -d 'serve them by HTTP on 127.0.0.1:PORT, until a signal comes'
complete -c procctl -n __procctl_needs_command -a call -d 'call a method of the protocol and print its result'
complete -c procctl -n '__procctl_is call ' -x -a 'rpc.discover daemon.hello daemon.info daemon.ping daemon.stop daemon.restart process.spawn process.join process.is_alive process.terminate process.kill process.signal process.stop process.wait process.list process.info process.close process.logs object.create object.open object.map object.close object.list object.info object.unlink object.break object.graph lock.acquire lock.release rlock.acquire rlock.release semaphore.acquire semaphore.release event.set event.clear event.is_set event.wait condition.wait condition.notify condition.notify_all barrier.wait barrier.done barrier.reset barrier.abort events.subscribe events.unsubscribe cancel '
complete -c procctl -n '__procctl_needs_second daemon' -a info -d 'print the state of the daemon'
complete -c procctl -n __procctl_needs_command -a daemon
complete -c procctl -n '__procctl_needs_second daemon' -a stop -d 'stop the processes, then the daemon'
complete -c procctl -n __procctl_needs_command -a daemon
complete -c procctl -n '__procctl_needs_second daemon' -a reload -d 'start, change and stop services as their files say'
complete -c procctl -n __procctl_needs_command -a daemon
complete -c procctl -n '__procctl_is_second daemon reload' -r -F
complete -c procctl -n '__procctl_needs_second daemon' -a restart -d 'replace the running daemon, also by a newer version; nothing is lost'
complete -c procctl -n __procctl_needs_command -a daemon
complete -c procctl -n __procctl_needs_command -a ping -d 'ask whether the daemon answers'
complete -c procctl -n __procctl_needs_command -a schema -d 'print the OpenRPC document of the protocol'
complete -c procctl -n __procctl_needs_command -a dial-stdio -d 'connect standard input and output with the daemon'
complete -c procctl -n __procctl_needs_command -a completion -d 'print the completions for bash, zsh or fish'
complete -c procctl -n '__procctl_is completion ' -x -a 'bash zsh fish'
