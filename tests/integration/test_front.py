#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The front and its keeper, under a service manager that these tests play: what it is told, what it is given
to keep, and what happens when the main process ends and another one is started with that."""
import os
import re
import select
import signal
import sys

from clients import same, wait_for
from harness import LONG, Skip, cgroups_of, is_dead, main, remove_cgroups, stat_of
from manager import KEEPER, KEPT, Manager, ends_with_its_status, sleeper, without_libsystemd


def test_words():
    """Ready once it serves; the watchdog is fed; the end is announced, and is that of the keeper."""
    with Manager() as manager:
        manager.start(watchdog=1)
        same(manager.names(), KEPT, 'what is in the store')
        info = manager.info()
        same(stat_of(info['pid'])[2], manager.main, 'parent of the keeper')
        wait_for(lambda: manager.hear().count('WATCHDOG=1') >= 3, 'three of the watchdog')
        assert 'STOPPING=1' not in manager.words, manager.words
        same(manager.end(signal.SIGTERM), 0, 'exit status')
        assert 'STOPPING=1' in manager.hear(), manager.words
        assert is_dead(info['pid']), 'the keeper lives on'


def test_next_main_process():
    """It has the same keeper, and nothing is lost; the broker is another one."""
    with Manager() as manager:
        manager.start()
        before, (process, pid) = manager.info(), sleeper(manager)
        for _ in range(3):
            same(manager.end(signal.SIGUSR1), 0, 'exit status')
            wait_for(lambda: manager.info()['pid'] == before['pid'], 'service without a main process')
            manager.start()
            after = wait_for(lambda: manager.info()['broker_pid'] not in (0, before['broker_pid'])
                             and manager.info(), 'another broker')
            same([after['pid'], after['epoch']], [before['pid'], before['epoch']], 'keeper and epoch')
            kept = [name for name in manager.names() if not name.startswith(('child-', 'log-'))]
            same(kept, KEPT, 'what is in the store beside the child')
            before = after
        ends_with_its_status(manager, process, pid)
        same(manager.end(signal.SIGTERM), 0, 'exit status of a main process that is not its parent')
        assert is_dead(before['pid']), 'the keeper lives on'


def test_another_socket_and_watchdog():
    with Manager() as manager:
        manager.start()
        keeper, (process, pid) = manager.info()['pid'], sleeper(manager)
        old = manager.path
        manager.end(signal.SIGUSR1)
        manager.renew_socket()
        os.unlink(old)
        manager.start(watchdog=1)
        same(manager.info()['pid'], keeper)
        wait_for(lambda: 'WATCHDOG=1' in manager.hear(), 'the watchdog')
        ends_with_its_status(manager, process, pid)


def test_main_process_is_killed():
    with Manager() as manager:
        manager.start()
        keeper, (process, pid) = manager.info()['pid'], sleeper(manager)
        same(manager.end(signal.SIGKILL), -signal.SIGKILL)
        manager.start()
        same(manager.info()['pid'], keeper)
        ends_with_its_status(manager, process, pid)


def test_keeper_hangs():
    """The watchdog's SIGABRT is the end of a keeper that says nothing, and of no other."""
    with Manager() as manager:
        manager.start(watchdog=60)
        keeper = manager.info()['pid']
        os.kill(keeper, signal.SIGSTOP)
        same(manager.end(signal.SIGABRT), -signal.SIGABRT)
        wait_for(lambda: is_dead(keeper), 'the end of the keeper')
        manager.start(watchdog=1)
        keeper, main_process = manager.info()['pid'], manager.main
        manager.hear()
        os.kill(main_process, signal.SIGSTOP)
        wait_for(lambda: stat_of(main_process)[1] == 'T', 'the stop')
        link = next(fd for name, fd in manager.store if name == KEEPER)
        assert select.select([link], [], [], 20)[0], 'the keeper says nothing'
        os.kill(main_process, signal.SIGABRT)
        os.kill(main_process, signal.SIGCONT)
        wait_for(lambda: manager.ended() is not None, 'the end of the main process')
        manager.start()
        same(manager.info()['pid'], keeper)


def test_keeper_hangs_at_a_restart():
    if not LONG:
        raise Skip('its time-out is long')
    with Manager() as manager:
        manager.start()
        keeper = manager.info()['pid']
        manager.end(signal.SIGUSR1)
        os.kill(keeper, signal.SIGSTOP)
        manager.start()
        assert is_dead(keeper), 'the old keeper lives on'


def test_left_alone():
    """A manager that keeps nothing has ended the service: the keeper stops its children and leaves."""
    with Manager() as manager:
        manager.start()
        keeper, (_, pid) = manager.info()['pid'], sleeper(manager)
        manager.empty_store()
        same(manager.end(signal.SIGUSR1), 0)
        wait_for(lambda: is_dead(pid) and is_dead(keeper), 'the end of keeper and child')


def test_detached():
    """A keeper that was told to leave its children running keeps them; the next service has another one."""
    with Manager() as manager:
        manager.start()
        (keeper, epoch), (_, pid) = [manager.info()[name] for name in ('pid', 'epoch')], sleeper(manager)
        manager.ask('daemon.stop', mode='detach')
        wait_for(lambda: 'STOPPING=1' in manager.hear(), 'STOPPING=1')
        assert manager.ended() is None, 'the main process has ended before the keeper'
        manager.end(signal.SIGUSR1)
        manager.start()
        assert manager.info()['epoch'] != epoch, 'the same keeper'
        assert not is_dead(pid) and not is_dead(keeper), 'keeper or child have ended'
        os.kill(pid, signal.SIGUSR1)
        wait_for(lambda: is_dead(keeper), 'its end after that of its last child')


def test_reload():
    """SIGHUP to the main process is meant for the keeper."""
    with Manager() as manager:
        manager.start()
        before = manager.info()
        os.kill(manager.main, signal.SIGHUP)
        after = wait_for(lambda: manager.info()['broker_pid'] not in (0, before['broker_pid'])
                         and manager.info(), 'another broker')
        same([after['pid'], after['epoch']], [before['pid'], before['epoch']], 'keeper and epoch')
        assert manager.ended() is None, 'the main process has ended'


def test_cgroups_that_were_removed():
    """systemd removes the empty ones where a service ends; children have some all the same."""
    with Manager() as manager:
        manager.start()
        keeper = manager.info()['pid']
        if not cgroups_of(keeper):
            raise Skip('no cgroups here')
        remove_cgroups(cgroups_of(keeper))
        same(cgroups_of(keeper), [], 'cgroups')
        process, pid = sleeper(manager)
        with open('/proc/%d/cgroup' % pid, encoding='utf-8') as file:
            assert re.search(r'^0::.*/procd-%d\.\d+/\d+$' % keeper, file.read(), re.MULTILINE), 'no cgroup'
        ends_with_its_status(manager, process, pid)


if without_libsystemd():
    print('this daemon was built without libsystemd')
    sys.exit(77)
main()
