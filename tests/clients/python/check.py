"""Drives a running server with stubs that grpcio-tools generates from proto/.

Usage: check.py PROTO_FOLDER HOST:PORT

The server must hold no list when it begins. Every check is an assertion; "ok" ends the output.
"""

import datetime
import pathlib
import sys
import tempfile

import grpc
import grpc_tools
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from grpc_tools import protoc

LIST = "us-ofac-sdn"
LISTED = "0x098b716b8aaf21512996dc57eb0615e2383e2f96"
CLEAN = "0x4bbeeb066ed09b7aed07bf39eee0460dfa261520"
# 20 s is far more than any answer takes; a server that hangs fails the test instead of blocking it.
DEADLINE = 20


def generate(proto: pathlib.Path, target: str) -> None:
    """Generates the stubs of every file of the package into `target`, and makes them importable."""
    well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    files = sorted(str(path) for path in proto.glob("lazaretto/v1/*.proto"))
    assert files, f"no proto files under {proto}"
    outputs = [f"--python_out={target}", f"--grpc_python_out={target}"]
    assert protoc.main(["protoc", f"-I{proto}", f"-I{well_known}", *outputs, *files]) == 0
    sys.path.insert(0, target)


def refused(call, code: grpc.StatusCode, reason: str, field: str = "") -> None:
    """`call` must fail with `code`, `reason` in an ErrorInfo and `field` in a BadRequest."""
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == code, error
        details = rpc_status.from_call(error).details
    else:
        raise AssertionError(f"it was not refused with {reason}")
    info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in details:
        detail.Unpack(info)
        detail.Unpack(bad_request)
    assert (info.reason, info.domain) == (reason, "lazaretto.v1"), info
    fields = [violation.field for violation in bad_request.field_violations]
    assert fields == ([field] if field else []), fields


def health_becomes(channel: grpc.Channel, service: str, status: str) -> None:
    """Waits, by watching, until health says `status` of `service`."""
    wanted = health_pb2.HealthCheckResponse.ServingStatus.Value(status)
    stub = health_pb2_grpc.HealthStub(channel)
    watch = stub.Watch(health_pb2.HealthCheckRequest(service=service), timeout=DEADLINE)
    assert any(answer.status == wanted for answer in watch)
    watch.cancel()


def check(channel: grpc.Channel) -> None:
    """All checks, in an order: the list is empty at first."""
    from lazaretto.v1 import lists_pb2, lists_pb2_grpc, screening_pb2, screening_pb2_grpc

    screening = screening_pb2_grpc.ScreeningServiceStub(channel)
    lists = lists_pb2_grpc.SanctionsListServiceStub(channel)

    def unary(address, **fields):
        query = screening_pb2.AddressQuery(address=address, **fields)
        request = screening_pb2.ScreenAddressRequest(query=query)
        return screening.ScreenAddress(request, timeout=DEADLINE)

    # Before any list.
    health_becomes(channel, "lazaretto.v1.ScreeningService", "NOT_SERVING")
    health_becomes(channel, "lazaretto.v1.SanctionsListService", "SERVING")
    refused(lambda: unary(CLEAN), grpc.StatusCode.UNAVAILABLE, "NOT_LOADED")

    # An import as a client stream.
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    header = lists_pb2.ImportListHeader(
        list_id=LIST, kind=lists_pb2.LIST_KIND_SANCTIONS, published_on=today, format="csv"
    )
    rows = f"address,ticker,party_uid,party_name,programs\n{LISTED},ETH,18309,LAZARUS GROUP,DPRK3\n"
    parts = [lists_pb2.ImportListRequest(header=header)]
    parts += [lists_pb2.ImportListRequest(chunk=bytes([byte])) for byte in rows.encode()]
    report = lists.ImportList(iter(parts), timeout=DEADLINE).report
    assert report.published and report.added == 1, report
    health_becomes(channel, "lazaretto.v1.ScreeningService", "SERVING")
    health_becomes(channel, "", "SERVING")

    # Unary.
    answer = unary(LISTED, request_id="a", chain="eip155:1")
    found = answer.screening
    assert found.request_id == "a" and found.score == 100, found
    assert found.status == screening_pb2.SCREENING_STATUS_COMPLETE, found
    assert found.decision == screening_pb2.DECISION_BLOCK, found
    assert found.findings[0].kind == screening_pb2.FINDING_KIND_LISTED, found
    assert found.findings[0].listing.party.name == "LAZARUS GROUP", found
    assert list(found.findings[0].listing.party.programs) == ["DPRK3"], found
    assert found.snapshot_id != "" and not answer.HasField("snapshot"), answer
    options = screening_pb2.ScreeningOptions(include_snapshot=True)
    query = screening_pb2.AddressQuery(address=LISTED)
    request = screening_pb2.ScreenAddressRequest(query=query, options=options)
    whole = screening.ScreenAddress(request, timeout=DEADLINE)
    assert whole.snapshot.id == found.snapshot_id, whole
    clean = unary(CLEAN).screening
    assert clean.decision == screening_pb2.DECISION_ALLOW and not clean.findings, clean
    assert clean.address.canonical == CLEAN, clean

    # Batch: order kept, an error beside answers.
    addresses = [CLEAN, "", LISTED, CLEAN]
    queries = [
        screening_pb2.AddressQuery(address=address, request_id=str(place))
        for place, address in enumerate(addresses)
    ]
    request = screening_pb2.BatchScreenAddressesRequest(queries=queries)
    items = screening.BatchScreenAddresses(request, timeout=DEADLINE).items
    assert [item.WhichOneof("outcome") for item in items] == ["screening", "error", "screening", "screening"]
    ids = [getattr(item, item.WhichOneof("outcome")).request_id for item in items]
    assert ids == ["0", "1", "2", "3"], ids
    assert items[1].error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0], items[1]
    assert items[2].screening.decision == screening_pb2.DECISION_BLOCK, items[2]

    # Stream: order kept, the snapshot in full with the first answer only.
    questions = (
        screening_pb2.StreamScreenAddressesRequest(
            query=screening_pb2.AddressQuery(
                address=LISTED if place % 7 == 0 else CLEAN, request_id=str(place)
            ),
            options=options if place == 0 else None,
        )
        for place in range(1000)
    )
    answers = list(screening.StreamScreenAddresses(questions, timeout=DEADLINE))
    assert [answer.item.screening.request_id for answer in answers] == [str(i) for i in range(1000)]
    assert [answer.HasField("snapshot") for answer in answers] == [True] + [False] * 999
    blocked = [
        place
        for place, answer in enumerate(answers)
        if answer.item.screening.decision == screening_pb2.DECISION_BLOCK
    ]
    assert blocked == list(range(0, 1000, 7)), blocked

    # Lists.
    loaded = lists.ListSanctionsLists(lists_pb2.ListSanctionsListsRequest(), timeout=DEADLINE).lists
    [ours] = [entry for entry in loaded if entry.list_id == LIST]
    assert ours.counts.listings == 1 and ours.published_on == today and ours.required, ours
    request = lists_pb2.LookUpPartyRequest(party_uid="18309")
    [party] = lists.LookUpParty(request, timeout=DEADLINE).parties
    assert [listing.address for listing in party.listings] == [LISTED], party
    request = lists_pb2.ListListingChangesRequest(list_id=LIST)
    changes = lists.ListListingChanges(request, timeout=DEADLINE).changes
    assert [change.kind for change in changes] == [lists_pb2.LISTING_CHANGE_KIND_ADDED], changes
    chunks = lists.ExportList(lists_pb2.ExportListRequest(list_id=LIST), timeout=DEADLINE)
    exported = b"".join(part.chunk for part in chunks).decode()
    assert exported.startswith("# lazaretto list 1\n") and LISTED in exported, exported
    request = lists_pb2.GetSnapshotRequest(id=found.snapshot_id)
    snapshot = lists.GetSnapshot(request, timeout=DEADLINE).snapshot
    assert [entry.digest for entry in snapshot.lists] == [ours.digest], snapshot

    # Refusals.
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    request = screening_pb2.ScreenAddressRequest()
    refused(lambda: screening.ScreenAddress(request), invalid, "INVALID_FIELD", "query")
    refused(lambda: unary("0x\u0430"), invalid, "INVALID_ADDRESS", "query.address")
    refused(lambda: unary(CLEAN, chain="no chain"), invalid, "INVALID_CHAIN", "query.chain")
    batch = screening_pb2.BatchScreenAddressesRequest()
    refused(lambda: screening.BatchScreenAddresses(batch), invalid, "INVALID_FIELD", "queries")
    batch.queries.extend([screening_pb2.AddressQuery(address=CLEAN)] * 10_001)
    refused(lambda: screening.BatchScreenAddresses(batch), invalid, "TOO_MANY_ITEMS", "queries")
    unknown = lists_pb2.LookUpPartyRequest(party_uid="no such party")
    refused(lambda: lists.LookUpParty(unknown), grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
    header = lists_pb2.ImportListHeader(list_id=LIST, published_on=today, format="csv")
    bad = [
        lists_pb2.ImportListRequest(header=header),
        lists_pb2.ImportListRequest(chunk=b"no,such,columns\n"),
    ]
    refused(lambda: lists.ImportList(iter(bad)), invalid, "MALFORMED_FILE")


def main() -> None:
    proto, address = pathlib.Path(sys.argv[1]), sys.argv[2]
    with tempfile.TemporaryDirectory() as stubs:
        generate(proto, stubs)
        # No proxy of the environment stands between a test and its own machine.
        with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
            check(channel)
    print("ok")


if __name__ == "__main__":
    main()
