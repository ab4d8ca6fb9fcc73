"""What holds for all tests."""

from __future__ import annotations

import signal
import threading

# A job in the background starts with Ctrl-C ignored, and so would the processes that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)
