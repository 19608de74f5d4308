"""Drives the client of docs/clients.md through every outcome.

Usage: outcomes.py PROTO_FOLDER CLIENT_FOLDER HOST:PORT CA_FILE TOKEN

CLIENT_FOLDER has client.py. The server has a sanctions list with LISTED and an advisory with ADVISED.
Every check is an assertion; "ok" ends the output.
"""

import pathlib
import sys
import tempfile

import check

LISTED = "0x098b716b8aaf21512996dc57eb0615e2383e2f96"
ADVISED = "0x1da5821544e25c636c1417ba96ade4cf6d2f9b5a"
CLEAN = "0x4bbeeb066ed09b7aed07bf39eee0460dfa261520"
NONSENSE = "nonsense"
# A port on which nothing listens.
CLOSED = "127.0.0.1:1"


def outcomes(target: str, ca: bytes, token: str) -> None:
    import client

    proceed, hold, refuse = client.Action.PROCEED, client.Action.HOLD, client.Action.REFUSE
    # As a file has it.
    stub = client.connect(target, ca, token + "\n")

    for address, action, words in [
        (CLEAN, proceed, "Allowed"),
        (ADVISED, hold, "advice"),
        (LISTED, refuse, "LAZARUS GROUP"),
        (NONSENSE, hold, "INCOMPLETE"),
    ]:
        found = client.screen(stub, address)
        assert found.action is action and words in found.reason, (address, found)
        assert found.snapshot_id, found

    # Errors of calls: a refused request, no identity, a foreign certificate, nobody there.
    for stub_of, address, words in [
        (stub, "", "INVALID_ARGUMENT"),
        (stub, "0x\ud800", "INVALID_ARGUMENT"),
        (client.connect(target, ca, "wrong"), CLEAN, "UNAUTHENTICATED"),
        (client.connect(target, None, token), CLEAN, "DEADLINE_EXCEEDED"),
        (client.connect(CLOSED, ca, token), CLEAN, "DEADLINE_EXCEEDED"),
    ]:
        found = client.screen(stub_of, address, deadline=2)
        assert found.action is hold and words in found.reason, found

    # A batch in many parts, an error among the answers.
    addresses = [CLEAN, "\ud800", LISTED, ADVISED, NONSENSE] * 400
    verdicts = client.screen_many(stub, addresses, part=64 << 10)
    wanted = [proceed, hold, refuse, hold, hold] * 400
    assert [found.action for found in verdicts] == wanted
    assert verdicts[1].reason.startswith("not screened: "), verdicts[1]
    refused = client.screen_many(stub, [CLEAN] * 10_001)
    assert len(refused) == 10_001 and {found.action for found in refused} == {hold}, refused[0]

    # What no server of today says, and one of tomorrow may.
    later = client.pb.Screening(decision=9, status=client.pb.SCREENING_STATUS_COMPLETE)
    assert client.verdict(later).action is refuse
    odd = client.pb.Screening(decision=client.pb.DECISION_ALLOW)
    assert client.verdict(odd).action is hold
    assert client.item_verdict(client.pb.ScreeningItem()).action is hold


def main() -> None:
    proto, folder, target, ca, token = sys.argv[1:]
    with tempfile.TemporaryDirectory() as stubs:
        check.generate(pathlib.Path(proto), stubs)
        sys.path.insert(0, folder)
        outcomes(target, pathlib.Path(ca).read_bytes(), token)
    print("ok")


if __name__ == "__main__":
    main()
