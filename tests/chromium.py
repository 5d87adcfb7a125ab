"""A headless Chromium, driven through a pipe by the protocol of its own developer tools."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE = 300  # seconds in which it answers
OPTIONS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions", "--mute-audio",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--remote-debugging-pipe",
]  # fmt: skip
KEYS = {"Enter": (13, "\r"), " ": (32, " "), "Tab": (9, "")}


class Tab:
    """A page in a browser; `complaints` holds what it and its files complained of since the last `go`."""

    def __init__(self, read: int, write: int):
        self._read, self._unread, self._write = read, b"", os.fdopen(write, "wb")
        self._sent, self._session, self._events = 0, None, []
        self.complaints: list[str] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> Any:
        """Sends a command and waits for its result; events are noted meanwhile."""
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._write.write(json.dumps(message).encode() + b"\0")
        self._write.flush()
        while True:
            answer = self._receive()
            if answer.get("id") == self._sent:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]

    def go(self, url: str) -> None:
        """Opens a page and waits until it and all its files are loaded."""
        self.complaints, self._events = [], []
        self.send("Page.navigate", url=url)
        while "Page.loadEventFired" not in self._events:
            self._receive()

    def run(self, script: str) -> Any:
        """What a script returns, which may await; it runs as the body of an asynchronous function."""
        done = self.send(
            "Runtime.evaluate", expression=f"(async () => {{ {script} }})()", awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def look(self, width: int, theme: str, height: int = 900) -> None:
        """Sets the width of the window in pixels, and the theme that the system prefers: light or dark."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])

    def open(self, page: Path, width: int = 1280, height: int = 900, theme: str = "light", script: bool = True) -> None:
        """Opens a file in a window of a size in pixels, with or without its scripts."""
        self.look(width, theme, height)
        self.send("Emulation.setScriptExecutionDisabled", value=not script)
        self.go(page.as_uri())

    def click(self, x: float, y: float) -> None:
        """A click with the mouse at a place of the window."""
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str) -> None:
        """A key."""
        code, text = KEYS[key]
        for kind in ("keyDown", "keyUp"):
            sent = {"text": text} if text and kind == "keyDown" else {}
            self.send("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **sent)

    def printed(self) -> bytes:
        """The page as a PDF."""
        return base64.b64decode(self.send("Page.printToPDF", printBackground=False)["data"])

    def picture(self, path: Path, whole: bool = False) -> None:
        """Writes what is seen, or all of the page, as a PNG."""
        done = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(done["data"]))

    def close(self) -> None:
        self._write.close()
        os.close(self._read)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            assert select.select([self._read], [], [], PATIENCE)[0], "Chromium does not answer."
            part = os.read(self._read, 1 << 20)
            assert part, "Chromium has ended."
            self._unread += part
        found, _, self._unread = self._unread.partition(b"\0")
        message = json.loads(found)
        self._events.append(message.get("method", ""))
        told = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            thrown = told["exceptionDetails"]
            self.complaints.append(thrown.get("exception", {}).get("description") or thrown["text"])
        elif message.get("method") == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")
        elif message.get("method") == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.complaints.append(json.dumps(told["args"])[:500])
        return message


@contextmanager
def chromium() -> Iterator[Tab]:
    """Starts a browser with an empty profile, and ends it."""
    known = ("chromium", "chromium-browser", "google-chrome")
    program = next((found for name in known if (found := shutil.which(name))), "")
    assert program, "No Chromium is installed. On Debian: apt-get install chromium"
    commands, answers = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        pipes = f"3<&{commands[0]} 4>&{answers[1]}"
        process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" {pipes}', "bash", program, *OPTIONS, f"--user-data-dir={profile}"],
            pass_fds=(commands[0], answers[1]), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(commands[0])
        os.close(answers[1])
        try:
            tab = Tab(answers[0], commands[1])
            try:
                yield tab
            finally:
                tab.close()
        finally:
            process.terminate()
            process.wait(30)
