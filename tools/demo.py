"""`make run`: the whole system at once, with a phone system that calls into it and a CRM that speaks to it.

Starts the server on free or usual ports, makes a login, prints where everything is, and keeps calls coming until
Ctrl-C. Everything it writes lies in the folder named on the command line.
"""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

EARSHOT = [sys.executable, "-m", "earshot"]
USUAL = {"api": 5620, "events": 5621, "http": 2012, "sip": 5060}


def free(port: int) -> bool:
    """Whether the usual port can be had for TCP and UDP."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def login(folder: Path) -> tuple[str, str]:
    """The login of the demo, the same at every start: made once, kept readable for its owner only."""
    kept = folder / "login"
    if not kept.exists():
        kept.touch(mode=0o600)
        kept.write_text(secrets.token_urlsafe(9))
    password = kept.read_text()
    made = [*EARSHOT, "user", "create", "admin", "--admin", "--password-stdin", "--data-dir", str(folder / "data")]
    subprocess.run(made, input=password, text=True, check=True, stdout=subprocess.DEVNULL)
    return "admin", password


def serve(folder: Path) -> tuple[subprocess.Popen[str], dict[str, str]]:
    """Start the server; returns it and its addresses when it is ready."""
    command = [*EARSHOT, "serve", "--data-dir", str(folder / "data")]
    for name, port in USUAL.items():
        command += [f"--{name}-port", str(port if free(port) else 0)]
    log = (folder / "serve.log").open("a")
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    addresses: dict[str, str] = {}
    assert server.stdout is not None
    for line in server.stdout:
        if line.strip() == "ready":
            return server, addresses
        name, _, address = line.strip().partition(" ")
        addresses[name] = address
    sys.exit(f"the server did not start; see {folder / 'serve.log'}")


def main() -> int:
    """Run until Ctrl-C or SIGTERM; exit 0 when everything ended in order."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("EARSHOT_LOG_LEVEL", "warning")
    name, password = login(folder)
    server, addresses = serve(folder)
    ports = {key: addresses[key].rpartition(":")[2] for key in ("api", "events", "sip")}
    print(
        f"""
Earshot is running.

  pages      {addresses["http"]}/     login: {name}   password: {password}
  XML        {addresses["api"]}       try: .venv/bin/earshot send DEVICELIST --api-port {ports["api"]}
  URLs       {addresses["http"]}/webAPI.aspx?type=calllist&requestid=1
  events     {addresses["events"]}
  SIPREC     {addresses["sip"]} (UDP and TCP)

A simulated phone system makes calls now; the first recording is there in about half a minute.
Ctrl-C ends everything. The log is {folder / "serve.log"}
""",
        flush=True,
    )
    places = ["--sip-port", ports["sip"], "--api-port", ports["api"], "--events-port", ports["events"]]
    seed = str(int(time.time()) % 100_000)
    simulate = [*EARSHOT, "simulate", "--forever", "--follow", "--concurrent", "4", "--rate", "0.4", *places]
    simulate += ["--length", "15-45", "--codec", "PCMU", "--codec", "PCMA", "--codec", "G722", "--codec", "opus"]
    simulate += ["--hold", "20", "--seed", seed]
    phones = subprocess.Popen(simulate)
    signal.signal(signal.SIGTERM, lambda *_: phones.send_signal(signal.SIGTERM))
    try:
        phones.wait()
    except KeyboardInterrupt:
        phones.send_signal(signal.SIGTERM)
        phones.wait(30)
    server.send_signal(signal.SIGTERM)
    return server.wait(30)


if __name__ == "__main__":
    sys.exit(main())
