"""A headless Chromium that tests talk to over a pipe, with nothing but the standard library.

Protocol: https://chromedevtools.github.io/devtools-protocol/, messages as JSON ended by a zero byte, written to the
browser's file descriptor 3 and read from 4.
"""

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe"),
    *("--no-first-run", "--disable-extensions", "--disable-background-networking", "--disable-component-update"),
)


def find_browser() -> str | None:
    """The path of a Chromium; None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One open page: what it logged and asked for is in `messages` and `requests`."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process, self.session, self.number = process, None, 0
        self.messages: list[str] = []
        self.requests: list[str] = []
        self.loaded = False
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def open(self, path: Path) -> None:
        """Loads a file and waits until it is drawn."""
        self.messages, self.requests, self.loaded = [], [], False
        self.call("Page.navigate", url=path.as_uri())
        while not self.loaded:
            self._take(self._read())
        self.ask("Promise.all([...document.images].map(image => image.decode().catch(() => 0)))")

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        told = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return told["result"].get("value")

    def look(
        self, *, width: int, height: int = 844, media: str = "", scheme: str = "light", mobile: bool = False
    ) -> None:
        """The page as a screen of that width, on paper (`media="print"`) or in the dark (`scheme="dark"`)."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        self.call(
            "Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}]
        )

    def screenshot(self, path: Path) -> None:
        """The whole page as a PNG."""
        made = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(made["data"]))

    def pdf(self, path: Path) -> None:
        """The page as it is printed."""
        made = self.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        path.write_bytes(base64.b64decode(made["data"]))

    def call(self, method: str, **values: Any) -> dict[str, Any]:
        """The answer to one command; events that come before it are noted. Raises RuntimeError on an error."""
        self.number += 1
        told: dict[str, Any] = {"id": self.number, "method": method, "params": values}
        if self.session is not None:
            told["sessionId"] = self.session
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(told).encode() + b"\0")
        self.process.stdin.flush()
        while True:
            heard = self._read()
            if heard.get("id") == self.number:
                if "error" in heard:
                    raise RuntimeError(f"{method}: {heard['error']}")
                return heard["result"]
            self._take(heard)

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        parts = bytearray()
        while (byte := self.process.stdout.read(1)) != b"\0":
            if not byte:
                raise RuntimeError(f"the browser ended with exit code {self.process.wait()}")
            parts += byte
        return json.loads(parts)

    def _take(self, heard: dict[str, Any]) -> None:
        method, values = heard.get("method"), heard.get("params", {})
        if method == "Page.loadEventFired":
            self.loaded = True
        elif method == "Network.requestWillBeSent":
            self.requests.append(values["request"]["url"])
        elif method == "Log.entryAdded":
            self.messages.append(f"{values['entry']['level']}: {values['entry']['text']}")
        elif method == "Runtime.consoleAPICalled":
            self.messages.append(f"{values['type']}: {values['args']}")
        elif method == "Runtime.exceptionThrown":
            self.messages.append(f"exception: {values['exceptionDetails']}")


@contextmanager
def open_browser(path: str, folder: Path) -> Iterator[Page]:
    """A page of a browser of its own, with a profile in `folder`; it is closed at the end."""
    command = [path, *_FLAGS, f"--user-data-dir={folder}", "about:blank"]
    swapped = ["sh", "-c", 'exec "$@" 3<&0 4>&1 </dev/null >&2', "sh", *command]
    with (folder.parent / f"{folder.name}.log").open("wb") as log:
        process = subprocess.Popen(swapped, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        try:
            yield Page(process)
        finally:
            process.terminate()
            process.communicate(timeout=20)
