"""A server that answers everything with the same bytes: `python -m bench.reads.canned <listening descriptor> <size>`."""

import select
import socket
import sys


def main() -> None:
    descriptor, size = int(sys.argv[1]), int(sys.argv[2])
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + b" " * size
    listening = socket.socket(fileno=descriptor)
    poll = select.epoll()
    poll.register(descriptor, select.EPOLLIN)
    clients: dict[int, socket.socket] = {}
    while True:
        for file, _ in poll.poll():
            if file == descriptor:
                client, _ = listening.accept()
                clients[client.fileno()] = client
                poll.register(client.fileno(), select.EPOLLIN)
            elif clients[file].recv(65_536):
                clients[file].sendall(answer)
            else:
                poll.unregister(file)
                clients.pop(file).close()


if __name__ == "__main__":
    main()
