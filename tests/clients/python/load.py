"""Asks a server again and again, each call once, until standard input ends.

No retry policy is set. gRPC's own "transparent retries", of calls that a GOAWAY overtook before they
were sent, stay on: without them (grpc.enable_retries=0) its library fails such calls by itself.

Usage: load.py PROTO_FOLDER HOST:PORT

Prints "begun" once the first answer is there, and at the end how many calls were answered; the
first call that fails ends it, with what failed.
"""

import pathlib
import sys
import tempfile
import threading

import grpc

import check


def main() -> None:
    proto, address = pathlib.Path(sys.argv[1]), sys.argv[2]
    with tempfile.TemporaryDirectory() as target:
        check.generate(proto, target)
        from lazaretto.v1 import screening_pb2, screening_pb2_grpc

        stopped = threading.Event()
        threading.Thread(target=lambda: (sys.stdin.read(), stopped.set()), daemon=True).start()
        query = screening_pb2.AddressQuery(address=check.LISTED)
        question = screening_pb2.ScreenAddressRequest(query=query)
        answered = 0
        with grpc.insecure_channel(address) as channel:
            screening = screening_pb2_grpc.ScreeningServiceStub(channel)
            while not stopped.is_set():
                answer = screening.ScreenAddress(question, timeout=check.DEADLINE)
                assert answer.screening.decision == screening_pb2.DECISION_BLOCK, answer
                answered += 1
                if answered == 1:
                    print("begun", flush=True)
        print(answered, flush=True)


if __name__ == "__main__":
    main()
