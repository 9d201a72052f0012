"""The control endpoints and the process itself."""

import ast
import signal
import socket
import subprocess
import sys
import threading

import pytest

from .running import PATIENCE, ROOT, command, order, running


def pay(sandbox, cip, **more):
    return sandbox.send("POST", "/sandbox/pay", {"cip": cip, **more})


def test_a_collector_that_accepts_anything(sandbox):
    cip = sandbox.create()
    sandbox.tell("expire", cip=cip)
    assert pay(sandbox, cip).status_code == 409
    assert pay(sandbox, cip, force=True, amount="20.00", currency="USD").status_code == 200
    assert pay(sandbox, cip).status_code == 409
    assert pay(sandbox, cip, force=True, operationNumber="X-1").json() == {"operationNumber": "X-1"}
    first, second = sandbox.book(cip)["payments"]
    assert (first["amount"], first["currency"]) == ("20.00", "USD")
    assert second["operationNumber"] == "X-1"
    assert sandbox.search(cip)[0]["amount"] == 35.5


def test_a_deleted_code_paid_by_force(sandbox):
    cip = sandbox.create()
    sandbox.call("DELETE", f"/v1/cips/{cip}")
    assert pay(sandbox, cip).status_code == 409
    assert pay(sandbox, cip, force=True).status_code == 200
    assert sandbox.search(cip)[0]["status"] == 23


@pytest.mark.parametrize(
    "more",
    [
        {"cip": None},
        {"amount": 0},
        {"currency": "soles"},
        {"operationNumber": 7},
        {"operationNumber": "x" * 15},
        {"paymentDate": "now"},
        {"payload": "newest"},
        {"force": "yes"},
    ],
)
def test_a_payment_that_makes_no_sense(sandbox, more):
    cip = sandbox.create()
    assert sandbox.send("POST", "/sandbox/pay", {"cip": cip, **more}).status_code == 400
    assert sandbox.book(cip)["payments"] == []


def test_what_is_not_there(sandbox):
    assert pay(sandbox, 1).status_code == 404
    assert sandbox.send("POST", "/sandbox/nothing", {}).status_code == 404
    assert sandbox.send("GET", "/sandbox/pay").status_code == 404
    assert sandbox.send("POST", "/sandbox/pay", []).status_code == 400


def test_the_calls_are_listed_without_any_secret(sandbox):
    path = f"/v1/cips/{sandbox.create()}"
    sandbox.call("DELETE", path)
    listed = sandbox.send("GET", "/sandbox/requests")
    assert {"method": "DELETE", "path": path, "status": 200} in listed.json()["requests"]
    everything = listed.text + sandbox.send("GET", "/sandbox/cips").text
    assert sandbox.keys["SECRET_KEY"] not in everything
    assert sandbox.keys["ACCESS_KEY"] not in everything
    assert sandbox.token not in everything
    assert "ana@example.com" not in everything


def test_one_of_many_at_once_is_paid(sandbox):
    cip, barrier, answers = sandbox.create(), threading.Barrier(8), []

    def try_to_pay():
        barrier.wait()
        with running_session() as session:
            answers.append(session.post(f"{sandbox.site}/sandbox/pay", json={"cip": cip}, timeout=20).status_code)

    threads = [threading.Thread(target=try_to_pay) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] + [409] * 7


def running_session():
    import requests

    session = requests.Session()
    session.trust_env = False
    return session


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_well(number):
    with running() as own:
        own.create()
        own.process.send_signal(number)
        assert own.process.wait(PATIENCE) == 0


def test_made_up_keys_are_the_same_at_every_start_and_have_the_right_form():
    with running() as own, running() as again, running("--service-id", "77") as other:
        assert own.keys == again.keys
        assert own.keys["SECRET_KEY"] != other.keys["SECRET_KEY"]
        assert own.keys["ACCESS_KEY"] != other.keys["ACCESS_KEY"]
        assert (len(own.keys["ACCESS_KEY"]), len(own.keys["SECRET_KEY"])) == (20, 40)
        assert {"/", "+"} <= set(own.keys["SECRET_KEY"])


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--port", "x"],
        ["--port", "70000"],
        ["--port", "0", "--service-id", "123456"],
        ["--port", "0", "--service-id", "7", "--service-id", "7"],
        ["--port", "0", "--webhook-url", "http://a/", "--webhook-url", "http://b/"],
        ["--port", "0", "--access-key", "short"],
        ["--port", "0", "--secret-key", "short"],
        ["--port", "0", "--webhook-url", "shop"],
        ["--port", "0", "--token-life", "-1"],
        ["--port", "0", "--maximum-amount", "nan"],
        ["--port", "0", "--fire"],
    ],
)
def test_bad_arguments(arguments):
    done = subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    named = next((one for one in reversed(arguments) if one.startswith("--")), "--port")
    assert named in done.stderr.splitlines()[-1]


def test_a_port_that_is_taken(sandbox):
    port = sandbox.site.rpartition(":")[2]
    done = subprocess.run(
        command("--port", port), cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 2
    assert "cannot listen" in done.stderr


def test_only_short_lines_in_the_log():
    with subprocess.Popen(
        command("--port", "0"), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        site = process.stdout.readline().split()[-1].removesuffix("/v1/")
        with running_session() as session:
            session.get(f"{site}/counter?cip=123", timeout=20)
            headers = {"Authorization": "Bearer SECRETTOKEN"}
            session.post(f"{site}/v1/cips", json=order(), headers=headers, timeout=20)
        process.terminate()
        _, log = process.communicate(timeout=PATIENCE)
    assert log == "GET /counter 404\nPOST /v1/cips 401\n"


_POST = b"POST /v1/cips HTTP/1.1\r\nHost: localhost\r\n"
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (_POST + b"Content-Length: x\r\n\r\n", b"400"),
        (_POST + b"Content-Length: 9000000\r\n\r\n", b"413"),
        (_POST + b"Transfer-Encoding: gzip\r\n\r\n", b"411"),
        (_CHUNKED + b"x\r\n", b"400"),
        (_CHUNKED + b"fffff\r\n", b"413"),
        (_CHUNKED + b"1\r\nab\r\n", b"400"),
        (_CHUNKED + b"0\r\n" + b"Y: z\r\n" * 20, b"400"),
        (_CHUNKED + b"1;x\r\na\r\n0\r\nY: z\r\n\r\n", b"401"),
        (b"POST http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n", b"404"),
        (b"GET //x.html HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"404"),
    ],
)
def test_requests_that_no_client_library_sends(sandbox, head, status):
    port = int(sandbox.site.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(head)
        assert connection.recv(1000).split()[1] == status


def test_it_imports_nothing_of_ours_and_nothing_installed():
    folder = ROOT / "pagoefectivo_django" / "sandbox"
    files = sorted(folder.rglob("*.py"))
    assert files
    for path in files:
        depth = len(path.relative_to(folder).parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level <= depth, path
                if node.level:
                    continue
                names = [node.module or ""]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            known = sys.stdlib_module_names | ({"cryptography"} if path.name in ("ebanx.py", "pagadito.py") else set())
            assert all(name.partition(".")[0] in known for name in names), path
