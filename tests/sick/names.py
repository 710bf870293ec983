"""names.py - a name server: every name is 127.0.0.1, but those that are to be met with silence or denied."""

import socket
import struct
import threading

PORT = 53  # a resolver has no way to name another
ADDRESSES = [f"127.77.0.{number}" for number in range(53, 99)]  # more than one, for tests that run side by side


class NameServer:
    def __init__(self):
        self.sick = set()  # first labels of names: each is also what happens to its questions
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.address = self.bind()
        threading.Thread(target=self.run, daemon=True).start()

    def bind(self):
        for address in ADDRESSES:
            try:
                self.socket.bind((address, PORT))
                return address
            except OSError:
                pass  # somebody else's
        raise RuntimeError(f"cannot listen on port {PORT} of {ADDRESSES[0]} or any after it")

    def run(self):
        while True:
            packet, peer = self.socket.recvfrom(2048)
            answer = self.answer(packet)
            if answer:
                self.socket.sendto(answer, peer)

    def answer(self, packet):
        if len(packet) < 17:
            return None
        label = packet[13:13 + packet[12]].decode("latin-1").lower()
        behaviour = label if label in self.sick else ""
        if behaviour == "silent":
            return None
        end = packet.index(b"\0", 12) + 5
        question, kind = packet[12:end], packet[end - 4:end - 2]
        code = {"nxdomain": 3, "servfail": 2}.get(behaviour, 0)
        records = b""
        if code == 0 and kind == b"\0\1":
            records = b"\xc0\x0c\0\1\0\1" + struct.pack("!IH", 0, 4) + socket.inet_aton("127.0.0.1")
        return packet[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, 1 if records else 0, 0, 0) + question + records
