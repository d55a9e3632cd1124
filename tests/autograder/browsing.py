"""What tests in a real browser share: Chromium, and Jupyter servers to look at."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
TOKEN = "only-for-this-test"


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A running browser; the test is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    if not CHROMIUM:
        pytest.skip("needs Chromium (Debian: sudo apt-get install chromium)")
    with playwright.sync_playwright() as started:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = started.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@contextlib.contextmanager
def jupyter(kind: str, folder: Path, home: Path, *more: str) -> Iterator[str]:
    """The address of a Jupyter program ("server", "lab") that runs in a folder, with a home of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")}
    environment |= {
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}",
    }
    command = [sys.executable, "-m", "jupyter", kind, "--no-browser", "--allow-root", f"--port={port}"]
    command += ["--ip=127.0.0.1", f"--ServerApp.root_dir={folder}", f"--IdentityProvider.token={TOKEN}"]
    with open(home / "log", "wb") as log:
        server = subprocess.Popen([*command, *more], cwd=folder, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 90
        while True:
            try:
                read(f"{address}/api/status")
                break
            except OSError:
                said = (home / "log").read_text(encoding="utf-8")[-2000:]
                assert server.poll() is None and time.monotonic() < deadline, said
                time.sleep(0.3)
        yield address
    finally:
        server.terminate()
        server.wait(20)


def read(address: str) -> str:
    """What a Jupyter server answers at an address."""
    request = urllib.request.Request(address, headers={"Authorization": f"token {TOKEN}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(answer.read().decode())
