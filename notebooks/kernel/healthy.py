"""Whether the server answers: Docker runs this every few seconds in a container.

serve.py has written into the file FMNIST_SERVER_FILE where it listens, which a user may have changed.
"""

import json
import os
import socket
import sys

PATIENCE = 4  # seconds; Docker waits for 5


def connection(server):
    if server["sock"]:
        plain = socket.socket(socket.AF_UNIX)
        plain.settimeout(PATIENCE)
        plain.connect(server["sock"])
    else:
        plain = socket.create_connection((server["host"], server["port"]), timeout=PATIENCE)
    if not server["secure"]:
        return plain
    import ssl  # takes longer than all the rest

    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(plain)


def main():
    try:
        with open(os.environ["FMNIST_SERVER_FILE"], encoding="utf-8") as file:
            server = json.load(file)
        with connection(server) as peer:
            peer.sendall(f"GET {server['path']} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode())
            answer = peer.recv(100).decode(errors="replace").split("\r\n")[0]
    except OSError as error:
        answer = str(error)
    print(answer)
    sys.exit(" 200 " not in answer)


if __name__ == "__main__":
    main()
