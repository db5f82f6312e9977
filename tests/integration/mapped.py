# SPDX-License-Identifier: MIT
"""An object in the memory that a client shares with the daemon; proto/page.h says where its parts are."""
import mmap
import os
import struct

LINE = 64         # bytes of a word or a bell
WORDS = 16384
DIED = 1 << 30    # PAGE_DIED
OWNER, NEXT = (1 << 14) - 1, 14
CLOSED, ORDER = 1 << 36, ((1 << 23) - 1) << 41


class Mapped:
    """One that `client` has mapped as a holder; a context."""
    def __init__(self, client, name, holder='h'):
        reply = client.reply(client.start('object.map', name=name, holder=holder))
        self.reply = reply['result']
        assert self.reply['mapped'], self.reply
        try:
            self.page = mmap.mmap(reply['_fds'][0], 0)
        finally:
            os.close(reply['_fds'][0])

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.page.close()

    def round(self):
        """Of an event's word."""
        return struct.unpack_from('<Q', self.page, self.reply['word'] * LINE + 8)[0]

    def word(self):
        return struct.unpack_from('<Q', self.page, self.reply['word'] * LINE)[0]

    def hand_over(self):
        """As its owner does: a lock that is held goes to who is offered it, who is not to be rung here."""
        word = self.word()
        owner, following = word & OWNER, word >> NEXT & OWNER
        assert owner and following and word & CLOSED, hex(word)
        word = word & (ORDER | CLOSED) | following
        struct.pack_into('<Q', self.page, self.reply['word'] * LINE, word)

    def keeper(self):
        return struct.unpack_from('<I', self.page, 0)[0]

    def mark_dead(self):
        struct.pack_into('<I', self.page, 0, DIED)

    def bell_at(self):
        return (WORDS + self.reply['slot']) * LINE

    def set_bell(self):
        struct.pack_into('<I', self.page, self.bell_at(), 1)

    def is_rung(self):
        return struct.unpack_from('<I', self.page, self.bell_at())[0] == 0
