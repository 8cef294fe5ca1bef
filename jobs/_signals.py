"""How a job is stopped: by Ctrl-C or a request to terminate, with one line and the exit code that shells expect."""

import logging
import os
import signal
import sys
import time

_SAID = {signal.SIGINT: "stopped by Ctrl-C", signal.SIGTERM: "stopped by a request to terminate (SIGTERM)"}
_AGAIN_SECONDS = 2.0


class Signals:
    """Which signal the process received, if any.

    Handlers are set whatever was inherited: a shell without a terminal starts children that ignore Ctrl-C. The same
    signal twice at once is one (a terminal and a script may both send it); later it ends the process on the spot.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._since = 0.0

    def catch(self) -> None:
        """From now on signals end up here; to be called again after a library put handlers of its own."""
        for number in _SAID:
            signal.signal(number, self._stop)

    def stopped_by(self, error: BaseException) -> int | None:
        """The exit code, with one line said, where `error` is what a signal made of the work; else None.

        Spark is left as it is: its answer was interrupted, it may have got the signal too, and it ends with us.
        """
        if isinstance(error, SystemExit) and error.code == signal.SIGTERM:  # how Ray's own handler leaves
            self.received = signal.SIGTERM
        if isinstance(error, KeyboardInterrupt) and self.received is None:
            self.received = signal.SIGINT
        if self.received is None:
            return None
        print(f"{_SAID[signal.Signals(self.received)]}; run again to go on", file=sys.stderr)
        return 128 + self.received

    def _stop(self, number: int, frame: object) -> None:
        if self.received is not None:
            if time.monotonic() - self._since > _AGAIN_SECONDS:
                os._exit(128 + number)
            return
        self.received, self._since = number, time.monotonic()
        logging.getLogger("py4j").setLevel(logging.CRITICAL)  # it tells at length that its call was interrupted
        raise KeyboardInterrupt
