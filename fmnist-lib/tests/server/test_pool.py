"""A kernel that is kept ready ends where nobody asks for it, and comes back when somebody does."""

import asyncio
import json
import os
import unittest
from unittest import mock

import pool


class Ready:
    """In place of a kernel that runs: it is ready at once."""

    running = 0

    async def start(self):
        Ready.running += 1
        return self

    def stop(self):
        Ready.running -= 1


class Pool(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        Ready.running = 0
        self.now = 1000.0
        clock = mock.Mock(monotonic=lambda: self.now)  # asyncio's goes on
        for name, value in {"Spare": Ready, "MINUTES": 20, "LONG_PAUSE": 0, "time": clock}.items():
            patch = mock.patch.object(pool, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    async def ask(self, ready, folder):
        """What a notebook in a folder is answered."""
        reader, writer = asyncio.StreamReader(), mock.Mock()
        reader.feed_data(json.dumps({"folder": folder}).encode() + b"\n")
        await ready.give(reader, writer)
        return writer.write.call_args[0][0]

    async def test_it_ends_after_its_time_and_comes_back(self):
        ready = pool.Pool()
        await asyncio.sleep(0.01)
        self.now += 20 * 60
        ready.end_idle()
        self.assertEqual(Ready.running, 1)
        self.now += 1
        ready.end_idle()
        self.assertEqual(Ready.running, 0)
        self.assertEqual(await self.ask(ready, os.getcwd()), b"null\n")  # the notebook starts its own
        await asyncio.sleep(0.01)
        self.assertEqual(Ready.running, 1)
        ready.end_idle()
        self.assertEqual(Ready.running, 1)
        await ready.end()
        self.assertEqual(Ready.running, 0)

    async def test_a_notebook_elsewhere_shows_that_somebody_works(self):
        ready = pool.Pool()
        await asyncio.sleep(0.01)
        self.now += 19 * 60
        self.assertEqual(await self.ask(ready, "/elsewhere"), b"null\n")
        self.now += 19 * 60
        ready.end_idle()
        self.assertEqual(Ready.running, 1)
        await ready.end()

    async def test_the_end_of_a_pool_that_holds_none(self):
        ready = pool.Pool()
        await asyncio.sleep(0.01)
        self.now += 21 * 60
        ready.end_idle()
        await ready.end()
        self.assertEqual(Ready.running, 0)


if __name__ == "__main__":
    unittest.main()
