#!/usr/bin/env python3
"""Use a web page as a person would, in headless Chromium.

    browser.py DIRECTORY CERTIFICATE URL STEP...

Opens URL, takes the steps one after the other, and prints the last page's title, text and number of other resources it
loaded.  A step is `fill SELECTOR TEXT`, `click SELECTOR` or `until TEXT`, one argument each; the first two wait until the
element is there.  CERTIFICATE (PEM) is trusted.  What the browser keeps, which is the code of a sign-in, too, is below DIRECTORY
and goes at the end.  Names other than localhost lead nowhere.
"""
import base64
import hashlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

PATIENCE = 90  # seconds for everything


def pin(certificate):
    """The digest of a certificate's key, as --ignore-certificate-errors-spki-list wants it."""
    key = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-pubkey"], check=True, capture_output=True)
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], check=True, capture_output=True,
                         input=key.stdout)
    return base64.b64encode(hashlib.sha256(der.stdout).digest()).decode()


class Browser:
    """Chromium, told what to do through a pair of pipes: JSON objects that end in a NUL byte."""

    def __init__(self, directory, certificate):
        self.ends = time.monotonic() + PATIENCE
        self.buffer = b""
        self.number = 0
        theirs_in, self.out = os.pipe()
        self.answers, theirs_out = os.pipe()

        def arrange():
            # It expects them as 3 and 4, which may be among the four: first out of the way.
            first, second = os.dup(theirs_in), os.dup(theirs_out)
            os.dup2(first, 3)
            os.dup2(second, 4)

        self.process = subprocess.Popen(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--remote-debugging-pipe", f"--user-data-dir={directory}/profile",
             f"--ignore-certificate-errors-spki-list={pin(certificate)}",
             "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost", "--no-proxy-server", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync", "about:blank"],
            env={"PATH": os.environ["PATH"], "HOME": directory}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=open(f"{directory}/chromium.err", "wb"), preexec_fn=arrange, close_fds=False, start_new_session=True)
        os.close(theirs_in)
        os.close(theirs_out)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def read(self):
        while b"\0" not in self.buffer:
            if not select.select([self.answers], [], [], max(0, self.ends - time.monotonic()))[0]:
                raise TimeoutError("the browser does not answer")
            data = os.read(self.answers, 65536)
            if not data:
                raise RuntimeError("the browser has ended")
            self.buffer += data
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if hasattr(self, "session"):
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == self.number:
                return answer.get("result", {})

    def evaluate(self, expression):
        """The expression's value; None also while a page is going and the next one coming."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True).get("result", {}).get("value")

    def wait(self, expression, what):
        while not self.evaluate(expression):
            if time.monotonic() > self.ends:
                raise TimeoutError(f"{what} does not come; there is:\n{self.text()}")
            time.sleep(0.05)

    def text(self):
        return self.evaluate("document.title + '\\n' + (document.body ? document.body.innerText : '')")

    def step(self, step):
        verb, _, rest = step.partition(" ")
        if verb == "until":
            self.wait(f"document.readyState == 'complete' && document.body.innerText.includes({json.dumps(rest)})", rest)
            return
        selector, _, text = rest.partition(" ")
        element = f"document.querySelector({json.dumps(selector)})"
        self.wait(f"document.readyState == 'complete' && {element} !== null", selector)
        self.evaluate(f"{element}.value = {json.dumps(text)}" if verb == "fill" else f"{element}.click()")

    def end(self):
        os.close(self.out)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
            self.process.wait()


def main(directory, certificate, url, *steps):
    scratch = tempfile.mkdtemp(prefix="browser.", dir=directory)
    browser = None
    try:
        browser = Browser(scratch, certificate)
        browser.call("Page.navigate", url=url)
        for step in steps:
            browser.step(step)
        print(browser.text())
        print("resources:", browser.evaluate("performance.getEntriesByType('resource').length"))
    finally:
        if browser:
            browser.end()
        shutil.rmtree(scratch, ignore_errors=True)


main(*sys.argv[1:])
