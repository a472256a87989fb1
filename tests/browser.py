# SPDX-License-Identifier: Apache-2.0
"""Headless Chromium for tests: opens a file, evaluates JavaScript, clicks, takes screenshots.

Speaks the DevTools protocol through a pipe (--remote-debugging-pipe), with
Python's standard library alone. Knows nothing of the pages it opens.

    with browser.Browser() as chromium:
        page = chromium.open("/tmp/report.html", dark=True)
        page.click("#suspects summary")
        assert page.evaluate("document.title") == "..." and not page.problems()
        page.screenshot("/tmp/report.png")
"""
import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Root cannot have Chromium's sandbox; what the tests open they wrote themselves.
SWITCHES = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
            "--force-device-scale-factor=1", "--remote-debugging-pipe")
LOCAL = ("file:", "data:", "about:", "blob:")


class Error(Exception):
    """What the browser refused, or a script threw."""


def find():
    """The path of Chromium, None when it is not installed."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


def put_at_3_and_4(commands, answers):
    """In the child: Chromium reads commands from 3 and writes answers to 4."""
    # Out of the way first: one of them may be 3 or 4 itself.
    commands, answers = os.dup(commands), os.dup(answers)
    while commands in (3, 4) or answers in (3, 4):
        commands, answers = os.dup(commands), os.dup(answers)
    os.dup2(commands, 3)
    os.dup2(answers, 4)


class Pipe:
    """Messages to Chromium and back: JSON, each ended by a NUL byte."""

    def __init__(self, folder, seconds):
        self.seconds = seconds
        self.buffer = b""
        read_commands, self.writing = os.pipe()
        self.reading, write_answers = os.pipe()
        # The wrapper script and Chromium's children share a group of their own, to be ended with it.
        self.process = subprocess.Popen(
            [find()] + list(SWITCHES) + ["--user-data-dir=" + folder, "about:blank"], close_fds=False,
            preexec_fn=lambda: put_at_3_and_4(read_commands, write_answers), start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(read_commands)
        os.close(write_answers)

    def send(self, message):
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.writing, data):]

    def receive(self, end):
        """The next message; None when none came until `end`."""
        while b"\0" not in self.buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.reading], [], [], left)[0]:
                return None
            data = os.read(self.reading, 1 << 16)
            if not data:
                raise Error("Chromium ended")
            self.buffer += data
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def close(self):
        os.close(self.writing)
        os.close(self.reading)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
            self.process.wait()


class Browser:
    """One Chromium with a profile of its own."""

    def __init__(self, seconds=60):
        self.seconds = seconds
        self.number = 0
        self.pages = {}

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="memext-browser-")
        self.pipe = Pipe(self.folder, self.seconds)
        return self

    def __exit__(self, *_):
        try:
            self.call("Browser.close")
        except (Error, OSError):
            pass
        self.pipe.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, method, session=None, **parameters):
        """The result of a command of the protocol; events that come meanwhile go to their pages."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        self.pipe.send(dict(message, sessionId=session) if session else message)
        end = time.monotonic() + self.seconds
        while True:
            answer = self.pipe.receive(end)
            if answer is None:
                raise Error("no answer to %s in %d s" % (method, self.seconds))
            if answer.get("id") == self.number:
                break
            self.dispatch(answer)
        if "error" in answer:
            raise Error("%s: %s" % (method, answer["error"].get("message")))
        return answer["result"]

    def dispatch(self, message):
        page = self.pages.get(message.get("sessionId"))
        if page and "method" in message:
            page.note(message["method"], message["params"])

    def pump(self, wanted, what):
        """Handles events until wanted() is true."""
        end = time.monotonic() + self.seconds
        while not wanted():
            message = self.pipe.receive(end)
            if message is None:
                raise Error("%s took more than %d s" % (what, self.seconds))
            self.dispatch(message)

    def open(self, path, dark=False, width=1280, height=900, media=""):
        """A Page that has loaded. `media` "print": as it would be printed."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self.pages[session] = Page(self, target, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(domain + ".enable")
        page.resize(width, height)
        page.look(dark, media)
        page.go("file://" + os.path.abspath(path))
        return page


class Page:
    """A tab. What its console and network say is kept from the beginning."""

    def __init__(self, browser, target, session):
        self.browser = browser
        self.target = target
        self.session = session
        self.loaded = False
        self.errors = []
        self.requests = []

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def note(self, method, parameters):
        if method == "Page.loadEventFired":
            self.loaded = True
        elif method == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
            self.errors.append(" ".join(str(one.get("value", one.get("description"))) for one in parameters["args"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.errors.append(parameters["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])

    def problems(self):
        """Errors and warnings of the console, and requests that leave this machine."""
        self.evaluate("0")
        return self.errors + ["it asks the network for %s" % url for url in self.requests
                              if not url.startswith(LOCAL)]

    def go(self, url):
        self.loaded = False
        failure = self.call("Page.navigate", url=url).get("errorText")
        if failure:
            raise Error("%s: %s" % (url, failure))
        self.browser.pump(lambda: self.loaded, "loading " + url)

    def resize(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def look(self, dark=False, media=""):
        """What the page's media queries see."""
        self.call("Emulation.setEmulatedMedia", media=media,
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def evaluate(self, script):
        """The value of an expression, a promise's when it is one."""
        done = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in done:
            details = done["exceptionDetails"]
            raise Error("%s: %s" % (script[:80], details.get("exception", {}).get("description") or details["text"]))
        return done["result"].get("value")

    def wait_for(self, script):
        """Until the expression is true: for what a transition brings about."""
        end = time.monotonic() + self.browser.seconds
        while not self.evaluate(script):
            if time.monotonic() > end:
                raise Error("%s never became true" % script)
            time.sleep(0.02)

    def click(self, selector, index=0):
        """A real click into the middle of the n-th element that `selector` finds, when nothing moves any more."""
        self.evaluate("Promise.allSettled(document.getAnimations().map(one => one.finished)).then(() => true)")
        place = self.evaluate(
            "(function () { const one = document.querySelectorAll(%s)[%d]; if (!one) return null;"
            " one.scrollIntoView({block: 'center'}); const box = one.getBoundingClientRect();"
            " return [box.left + box.width / 2, box.top + box.height / 2]; })()" % (json.dumps(selector), index))
        if not place:
            raise Error("nothing to click at: %s [%d]" % (selector, index))
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], clickCount=1,
                      button="none" if kind == "mouseMoved" else "left")

    def key(self, name):
        """Presses and releases a key such as Enter, Escape or Tab."""
        code = {"Enter": 13, "Escape": 27, "Tab": 9, " ": 32}.get(name, 0)
        text = {"text": "\r"} if name == "Enter" else {"text": " "} if name == " " else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=name, windowsVirtualKeyCode=code, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=name, windowsVirtualKeyCode=code)

    def screenshot(self, path, whole=False):
        """A PNG of what is visible, or of the whole page."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        with open(path, "wb") as file:
            file.write(base64.b64decode(shot["data"]))

    def pdf(self, path):
        """The page as it would be printed."""
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"]))

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)
        self.browser.pages.pop(self.session, None)
