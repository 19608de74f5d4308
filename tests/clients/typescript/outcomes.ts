// Drives the client of docs/clients.md through every outcome.
//
// Usage: outcomes.js HOST:PORT CA_FILE TOKEN
//
// The server has a sanctions list with LISTED and an advisory with ADVISED. Every check is an
// assertion; "ok" ends the output.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect, itemVerdict, screen, screenMany, verdict } from "./client.js";
import { Decision, Screening, ScreeningStatus } from "./lazaretto/v1/screening.js";

const LISTED = "0x098b716b8aaf21512996dc57eb0615e2383e2f96";
const ADVISED = "0x1da5821544e25c636c1417ba96ade4cf6d2f9b5a";
const CLEAN = "0x4bbeeb066ed09b7aed07bf39eee0460dfa261520";
const NONSENSE = "nonsense";
// A port on which nothing listens.
const CLOSED = "127.0.0.1:1";

const [target = "", caFile = "", token = ""] = process.argv.slice(2);
const ca = readFileSync(caFile);
const client = connect(target, ca, token);

for (const [address, action, words] of [
  [CLEAN, "proceed", "Allowed"],
  [ADVISED, "hold", "advice"],
  [LISTED, "refuse", "LAZARUS GROUP"],
  [NONSENSE, "hold", "INCOMPLETE"],
] as const) {
  const found = await screen(client, address);
  assert.equal(found.action, action, found.reason);
  assert.ok(found.reason.includes(words) && found.snapshotId !== "", found.reason);
}

// Errors of calls: a refused request, no identity, a foreign certificate, nobody there.
const wrong = connect(target, ca, "wrong");
const distrustful = connect(target, null, token);
const nobody = connect(CLOSED, ca, token);
for (const [asked, address, words] of [
  [client, "", "INVALID_ARGUMENT"],
  [wrong, CLEAN, "UNAUTHENTICATED"],
  [distrustful, CLEAN, "DEADLINE_EXCEEDED"],
  [nobody, CLEAN, "DEADLINE_EXCEEDED"],
] as const) {
  const found = await screen(asked, address, "", 2_000);
  assert.equal(found.action, "hold");
  assert.ok(found.reason.includes(words), found.reason);
}

// A batch in many parts, an error among the answers.
const repeated = <T>(values: T[]): T[] => Array.from({ length: 400 }, () => values).flat();
const addresses = repeated([CLEAN, "", LISTED, ADVISED, NONSENSE]);
const verdicts = await screenMany(client, addresses, 64 << 10);
const wanted = repeated(["proceed", "hold", "refuse", "hold", "hold"]);
assert.deepEqual(verdicts.map((found) => found.action), wanted);
assert.ok(verdicts[1]?.reason.startsWith("not screened: "), verdicts[1]?.reason);
const refused = await screenMany(client, Array<string>(10_001).fill(CLEAN));
assert.equal(refused.length, 10_001);
assert.ok(refused.every((found) => found.action === "hold"));

// What no server of today says, and one of tomorrow may.
const complete = ScreeningStatus.SCREENING_STATUS_COMPLETE;
const later = Screening.fromPartial({ decision: 9 as Decision, status: complete });
assert.equal(verdict(later).action, "refuse");
assert.equal(verdict(Screening.fromPartial({ decision: Decision.DECISION_ALLOW })).action, "hold");
assert.equal(verdict(undefined).action, "hold");
assert.equal(itemVerdict({ outcome: undefined }).action, "hold");

for (const open of [client, wrong, distrustful, nobody]) open.close();
console.log("ok");
