"""The command, as a person starts it: a process that prints one line, serves, and ends."""

import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from photoflow import InputError
from photoflow.studio import server as serving

LINE = re.compile(r"studio: (http://\S+)\n")


@pytest.fixture
def free():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextmanager
def running(*words, folder):
    """Run the command, and yield the process and the address that it prints; it keeps its files under `folder`."""
    command = [
        sys.executable,
        "-m",
        "photoflow",
        "studio",
        "--no-browser",
        "--offline",
        "--segmenter",
        "grabcut",
        *words,
    ]
    package = Path(serving.__file__).parents[2]
    environment = {"PYTHONPATH": str(package), "PATH": "/usr/bin:/bin", "TMPDIR": str(folder), "HOME": str(folder)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        line = process.stdout.readline()
        yield process, (LINE.fullmatch(line) or [None, line])[1]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_a_photo_and_ends_without_a_trace(free, photo, tmp_path, number):
    path, folder = tmp_path / "wall.png", tmp_path / "private"
    path.write_bytes(photo)
    folder.mkdir()
    with running(str(path), "--port", str(free), folder=folder) as (process, address):
        assert address.startswith(f"http://127.0.0.1:{free}/?work=")
        work = address.partition("=")[2]
        with httpx.Client(base_url=f"http://127.0.0.1:{free}", timeout=60) as client:
            state = client.get(f"/api/works/{work}").json()
            assert state["name"] == "wall.png" and len(state["layers"]) == 1
            assert client.get(f"/api/works/{work}/picture").status_code == 200
            assert client.get("/api/motions", headers={"Host": "evil.example"}).status_code == 403
            client.post(f"/api/works/{work}/edits", json={"edit": "settings", "seconds": 60, "fps": 60})
            client.post(f"/api/works/{work}/renders", json={"format": "apng"})  # would take minutes
        asking = threading.Thread(target=give_up, args=(f"http://127.0.0.1:{free}/api/works/{work}/slice.png?row=9",))
        asking.start()
        time.sleep(0.3)
        assert list(folder.glob("photoflow-studio-*"))
        process.send_signal(number)
        out, error = process.communicate(timeout=30)
        assert process.returncode in (0, 130, 143)
        assert (out, error) == ("", "")
        assert not list(folder.iterdir())
        asking.join()


def give_up(address):
    """Ask for what is not answered before the server ends."""
    with suppress(httpx.HTTPError):
        httpx.get(address, timeout=60)


def test_a_port_that_is_taken_is_said_in_one_line(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with running("--port", str(port), folder=tmp_path) as (process, line):
            assert line == ""
            _, error = process.communicate(timeout=30)
        assert process.returncode == 2
        assert error.startswith(f"photoflow: cannot listen at 127.0.0.1:{port}: ") and error.count("\n") == 1


def test_another_address_asks_for_the_token_that_is_printed(tmp_path, free):
    with running("--host", "0.0.0.0", "--port", str(free), folder=tmp_path) as (_, address):
        found = re.fullmatch(rf"http://[^/]+:{free}/\?token=([\w-]{{32,}})", address)
        here = f"http://127.0.0.1:{free}"
        assert httpx.get(f"{here}/api/motions").status_code == 403
        with httpx.Client(base_url=here) as client:
            assert client.get(f"/?token={found[1]}").status_code == 303
            assert client.get("/api/motions").status_code == 200


def test_a_photo_that_is_none_is_said_in_one_line(tmp_path, free):
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    with running(str(path), "--port", str(free), folder=tmp_path) as (process, line):
        assert line == ""
        _, error = process.communicate(timeout=30)
    assert process.returncode == 2
    assert error.startswith("photoflow: notes.txt is not a JPEG") and error.count("\n") == 1


def test_without_a_port_any_that_is_free_is_taken(monkeypatch):
    with serving.listening("127.0.0.1", 0) as taken:
        monkeypatch.setattr(serving, "PORT", taken.getsockname()[1])
        with serving.listening("127.0.0.1", None) as other:
            assert other.getsockname()[1] != taken.getsockname()[1]
        with pytest.raises(InputError, match="cannot listen at "):
            serving.listening("127.0.0.1", serving.PORT)


def test_a_host_that_is_none_is_said():
    with pytest.raises(InputError, match="host: expected an address of this machine"):
        serving.listening("no.such.host.invalid", 0)


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True), ("localhost", True), ("::1", True), ("127.8.8.8", True), ("0.0.0.0", False), ("::", False),
        ("192.168.1.5", False), ("example.org", False),
    ],
)  # fmt: skip
def test_loopback(host, own):
    assert serving.is_loopback(host) is own


def test_addresses():
    assert serving.bracketed("::1") == "[::1]" and serving.bracketed("127.0.0.1") == "127.0.0.1"
    assert serving.seen_as("192.168.1.5") == "192.168.1.5" and serving.seen_as("0.0.0.0") not in ("", "0.0.0.0")


def test_without_fastapi_it_says_what_to_install():
    code = (
        "import sys; sys.modules['fastapi'] = None; sys.argv = ['photoflow', 'studio']\n"
        "import importlib.util as u; real = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'fastapi' else real(name, *a)\n"
        "from photoflow.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == 'photoflow: studio: expected FastAPI and uvicorn; pip install "photoflow[studio]"\n'
