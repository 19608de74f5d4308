#!/usr/bin/env python3
"""Tests docs/audit/verify.py with trees and keys of its own: needs Python alone, takes a few seconds."""

import argparse
import base64
import contextlib
import hashlib
import importlib.util
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
SCRIPT = Path(__file__).resolve().parents[2] / "docs/audit/verify.py"
spec = importlib.util.spec_from_file_location("verify", SCRIPT)
verify = importlib.util.module_from_spec(spec)
spec.loader.exec_module(verify)

ORIGIN = "lazaretto/0123456789abcdef"
SEED = bytes(32)
OTHER_SEED = bytes([1] * 32)

# RFC 8032, 7.1, tests 1 to 3: public key, message, signature.
SIGNATURES = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
]


def base64_of(data):
    return base64.b64encode(data).decode()


def encode(point):
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


BASE = verify.point((4 * pow(5, -1, verify.P) % verify.P).to_bytes(32, "little"))


def secret_of(seed):
    """RFC 8032, 5.1.5: the scalar, the prefix and the public key."""
    digest = hashlib.sha512(seed).digest()
    scalar = int.from_bytes(digest[:32], "little") & (2**254 - 8) | 2**254
    return scalar, digest[32:], encode(verify.multiply(scalar, BASE))


def sign(seed, message):
    """RFC 8032, 5.1.6."""
    scalar, prefix, public = secret_of(seed)
    number = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % verify.L
    point = encode(verify.multiply(number, BASE))
    k = int.from_bytes(hashlib.sha512(point + public + message).digest(), "little") % verify.L
    return point + ((number + k * scalar) % verify.L).to_bytes(32, "little")


def key_of(seed, name=ORIGIN):
    public = b"\1" + secret_of(seed)[2]
    return f"{name}+{verify.sha256(name.encode() + bytes([10]) + public)[:4].hex()}+{base64_of(public)}"


def note_of(leaves, seed=SEED, origin=ORIGIN):
    return note_of_root(len(leaves), root(leaves), seed, origin)


def note_of_root(size, root, seed=SEED, origin=ORIGIN):
    text = f"{origin}\n{size}\n{base64_of(root)}\n"
    signature = bytes.fromhex(key_of(seed, origin).split("+")[1]) + sign(seed, text.encode())
    return f"{text}\n— {origin} {base64_of(signature)}\n"


def split(leaves):
    return 1 << (len(leaves) - 1).bit_length() - 1


def root(leaves):
    """RFC 6962, 2.1, as it is written there; so are the two proofs."""
    if len(leaves) == 1:
        return verify.sha256(b"\0" + leaves[0])
    at = split(leaves)
    return verify.node(root(leaves[:at]), root(leaves[at:]))


def inclusion(index, leaves):
    if len(leaves) == 1:
        return []
    at = split(leaves)
    if index < at:
        return inclusion(index, leaves[:at]) + [root(leaves[at:])]
    return inclusion(index - at, leaves[at:]) + [root(leaves[:at])]


def consistency(old, leaves, is_known=True):
    if old == len(leaves):
        return [] if is_known else [root(leaves)]
    at = split(leaves)
    if old <= at:
        return consistency(old, leaves[:at], is_known) + [root(leaves[at:])]
    return consistency(old - at, leaves[at:], False) + [root(leaves[:at])]


ANSWER = json.dumps({"answer": {"decision": "ALLOW"}})
CALL = json.dumps({"method": "ScreenAddress"})


def commitment(salt, text):
    return verify.sha256(b"\0" + bytes([salt] * 16) + verify.pack(text))


def entry_of(number, address, reference='{"request_id":"r"}'):
    """An entry of one record with the class 1; the salts are all 7 and all 9."""
    entry = b"\3" + (1_800_000_000_000_000 + number).to_bytes(8, "big") + verify.sha256(CALL.encode())
    answer = verify.sha256(b"\1" + ANSWER.encode())
    record = verify.sha256(b"\2" + answer + commitment(7, address) + commitment(9, reference))
    return entry + b"\1" + b"\0\1" + answer + record


def leaf_of(records, is_alone):
    """The head of an entry of several records (class, answer, address, reference), the hashes of the records,
    and the entry."""
    answers = [verify.sha256(bytes([kind]) + answer.encode()) for kind, answer, _, _ in records]
    hashes = [commitment(7, address) for _, _, address, _ in records]
    bits = 0
    for place, (_, _, _, reference) in enumerate(records):
        if is_alone or answers[place] != answers[0]:
            bits |= 1 << place
            of_reference = commitment(9, reference) if reference else b""
            hashes[place] = verify.sha256(b"\2" + answers[place] + hashes[place] + of_reference)
    head = b"\3" + (1_800_000_000_000_000).to_bytes(8, "big") + verify.sha256(CALL.encode())
    head += bytes([len(records)]) + bits.to_bytes(2, "big") + answers[0]
    return head, hashes, head + levels_of(hashes)[-1][0]


def levels_of(hashes):
    levels = [hashes]
    while len(levels[-1]) > 1:
        fours = [levels[-1][at : at + 4] for at in range(0, len(levels[-1]), 4)]
        levels.append([verify.sha256(b"\1" + b"".join(four)) for four in fours])
    return levels


def path_of(place, hashes):
    """The hashes that lead from a record to the root."""
    path = []
    for level, below in enumerate(levels_of(hashes)[:-1]):
        at = place // 4**level
        first = at - at % 4
        path += below[first:at] + below[at + 1 : first + 4]
    return path


def address_of(number):
    return f"0x{number:040x}"


LEAVES = [entry_of(number, address_of(number)) for number in range(20)]


def proof_of(index, leaves=LEAVES, **changes):
    return {
        "checkpoint": note_of(leaves),
        "leaf_index": str(index),
        "tree_size": str(len(leaves)),
        "hashes": [base64_of(found) for found in inclusion(index, leaves)],
        "entry": base64_of(leaves[index][:-32]),
        "class": 1,
        "answer": ANSWER,
        "context": CALL,
        "address_salt": base64_of(bytes([7] * 16)),
        "address": address_of(index),
        "reference_salt": base64_of(bytes([9] * 16)),
        "reference": '{"request_id":"r"}',
        **changes,
    }


def growth_of(old, leaves=LEAVES, **changes):
    hashes = [base64_of(found) for found in consistency(old, leaves)]
    return {"second_size": len(leaves), "hashes": hashes, "checkpoint": note_of(leaves), **changes}


class VerifyTest(unittest.TestCase):
    def run_script(self, proof, old=None, record=None, keys=(SEED,)):
        """What the script prints, or what it fails with."""
        with tempfile.TemporaryDirectory() as folder:
            options = argparse.Namespace(proof=f"{folder}/proof", new=None, old=None, record=record)
            options.key = [key_of(seed) for seed in keys]
            Path(options.proof).write_text(json.dumps(proof), "utf-8")
            if old:
                options.old = f"{folder}/old"
                Path(options.old).write_text(old, "utf-8")
            printed = io.StringIO()
            try:
                with contextlib.redirect_stdout(printed):
                    verify.main(options)
            except SystemExit as failure:
                self.assertEqual(printed.getvalue(), "")
                return failure.code
            except (IndexError, ValueError) as failure:
                return f"FAILED: {failure!r}"
            return printed.getvalue()

    def check(self, expected, proof, **more):
        self.assertIn(expected, self.run_script(proof, **more))

    def test_published_signatures(self):
        for public, message, signature in SIGNATURES:
            public, message, signature = map(bytes.fromhex, (public, message, signature))
            self.assertTrue(verify.is_signature(public, message, signature))
            self.assertFalse(verify.is_signature(public, message + b"x", signature))
            s = int.from_bytes(signature[32:], "little") + verify.L
            larger = signature[:32] + s.to_bytes(32, "little")
            self.assertFalse(verify.is_signature(public, message, larger), "S is below L")

    def test_published_note(self):
        # golang.org/x/mod/sumdb/note, whose form C2SP took over.
        key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
        text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
        signature = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
        public, found = base64.b64decode(key.split("+", 2)[2]), base64.b64decode(signature)
        self.assertTrue(verify.is_signature(public[1:], text.encode(), found[4:]))

    def test_every_inclusion_and_growth_up_to_20_leaves(self):
        for size in range(1, 21):
            leaves = LEAVES[:size]
            for index in range(size):
                hashes = inclusion(index, leaves)
                leaf = verify.sha256(b"\0" + leaves[index])
                self.assertEqual(verify.root_of(leaf, index, size, hashes), root(leaves))
                self.assertEqual(hashes, [], "every hash is used")
                old_root = root(leaves[: index + 1])
                hashes = consistency(index + 1, leaves)
                both = list(verify.roots_of(index + 1, size, old_root, hashes))
                self.assertEqual((both, hashes), ([old_root, root(leaves)], []))

    def test_every_record_of_up_to_16(self):
        for count in range(1, 17):
            records = [verify.sha256(bytes([number])) for number in range(count)]
            for place, record in enumerate(records):
                hashes = path_of(place, records)
                root_of_all = levels_of(records)[-1][0]
                self.assertEqual(verify.records_root(record, place, count, hashes), root_of_all)
                self.assertEqual(hashes, [], "every hash is used")

    def test_packed_texts(self):
        digits = "8589427373d6d84e98730d7795d8f6f8731fda16"
        self.assertEqual(verify.pack(f"0x{digits}"), b"\1" + bytes.fromhex(digits))
        self.assertEqual(verify.pack("0x" + "0" * 39 + "A"), b"\2" + bytes(19) + b"\x0a" + bytes(4) + b"\1")
        self.assertEqual(verify.pack("bc1"), b"\3\x80")
        self.assertEqual(verify.pack("bc1p"), b"\3" + bytes([0b00001_100]))
        self.assertEqual(verify.pack(""), b"\5\x80")
        self.assertEqual(verify.pack("1A"), b"\5" + bytes([0b000001_00, 0b1010_1000]))
        self.assertEqual(verify.pack("1" * 256)[:1], b"\0")
        self.assertEqual(verify.pack("é"), b"\0\xc3\xa9")

    def test_genuine_ones_are_proved(self):
        tag = verify.sha256(ORIGIN.encode())[:4].hex()
        self.check(f"PROVED: record {tag}-3.0 ", proof_of(3), record=f"{tag}-3.0")
        self.check('"address": "0x0', proof_of(3))
        redacted = {"address": "", "address_salt": "", "address_hash": base64_of(commitment(7, address_of(3)))}
        self.check("redacted", proof_of(3, **redacted))
        self.check("grew from 7 to 20", growth_of(7), old=note_of(LEAVES[:7]))
        both = f"{note_of(LEAVES[:5])}\n{note_of(LEAVES[:7])}\n"
        self.check("grew from 7 to 20", growth_of(7), old=both)
        # Signed by a key before: both keys are known.
        old = note_of(LEAVES[:7], OTHER_SEED)
        self.check("grew from 7 to 20", growth_of(7), old=old, keys=(OTHER_SEED, SEED))

    def several(self, place, records, is_alone, **changes):
        """A proof of one of several records of leaf 3."""
        head, hashes, entry = leaf_of(records, is_alone)
        kind, answer, address, reference = records[place]
        proof = proof_of(3, LEAVES[:3] + [entry] + LEAVES[4:], **{"class": kind})
        proof.update(entry=base64_of(head), item=place, answer=answer, address=address, reference=reference)
        if not reference:
            del proof["reference"], proof["reference_salt"]
        proof["record_hashes"] = [base64_of(found) for found in path_of(place, hashes)]
        proof.update(changes)
        return proof

    def test_records_of_one_leaf_are_told_apart(self):
        tag = verify.sha256(ORIGIN.encode())[:4].hex()
        blocked = json.dumps({"answer": {"decision": "BLOCK"}})
        for count in 1, 2, 4, 5, 16:
            for is_alone in False, True:
                reference = '{"request_id":"r"}' if is_alone else ""
                records = [(1, ANSWER, address_of(number), reference) for number in range(count)]
                records[count // 2] = (4 if count > 1 else 1, blocked, address_of(99), reference)
                place = count - 1
                proof = self.several(place, records, is_alone)
                self.check(f"PROVED: record {tag}-3.{place} ", proof, record=f"{tag}-3.{place}")
                self.assertIn(records[place][2], self.run_script(proof))
                for item in range(18):
                    if item != place:
                        self.check("FAILED" if item in range(16) else "another record", {**proof, "item": item})

    def test_hashes_of_other_lengths_are_refused(self):
        """The bytes below a node, cut into other hashes: each would give the same root."""
        answers = [ANSWER, json.dumps({"answer": {"decision": "BLOCK"}}), ANSWER, ANSWER]
        records = [
            (1 if answer == ANSWER else 4, answer, address_of(number), f'{{"request_id":"{number}"}}')
            for number, answer in enumerate(answers)
        ]
        _, hashes, _ = leaf_of(records, True)
        # Record 2 in the place of record 1.
        shifted = [base64_of(hashes[0] + hashes[1]), base64_of(hashes[3]), ""]
        self.check("length", self.several(2, records, True, item=1, record_hashes=shifted))
        # A commitment out of the middle of others.
        records = [(1, ANSWER, address_of(number), "") for number in range(4)]
        joined = b"".join(leaf_of(records, False)[1])
        cut = [base64_of(joined[:40]), base64_of(joined[72:]), ""]
        redacted = {"address": "", "address_salt": "", "address_hash": base64_of(joined[40:72])}
        self.check("length", self.several(1, records, False, record_hashes=cut, **redacted))
        # A log that was rewritten behind a checkpoint, by who has the key.
        first, second, third, fourth = (verify.sha256(b"\0" + leaf) for leaf in LEAVES[:4])
        left, other = verify.node(first, second), verify.sha256(b"\0" + entry_of(2, address_of(99)))
        rewritten = verify.sha256(b"\1" + left + third + verify.node(other, fourth))
        grown = {"second_size": 4, "hashes": ["", base64_of(other + fourth), base64_of(left + third)]}
        grown["checkpoint"] = note_of_root(4, rewritten)
        self.check("length", grown, old=note_of(LEAVES[:3]))

    def test_a_rotation_takes_both_keys(self):
        same = {"second_size": 20, "hashes": [], "checkpoint": note_of(LEAVES)}
        of_old, of_new = note_of(LEAVES), note_of(LEAVES, OTHER_SEED)
        of_both = of_old + of_new[of_new.index("—"):]
        for note, is_good in (of_both, True), (of_old, False):
            proof = {**same, "checkpoint": note}
            expected = "PROVED" if is_good else "no signature by the given key"
            self.check(expected, proof, old=note, keys=(OTHER_SEED,))

    def test_tampered_ones_are_refused(self):
        note, changed = note_of(LEAVES), LEAVES[:3] + [entry_of(3, address_of(4))] + LEAVES[4:]
        unsigned = "has no signature by the given key"
        moved = "The record was changed or moved, or the proof."
        grown = "not the old one with leaves added"
        for expected, proof, more in [
            (moved, proof_of(3, answer=ANSWER.replace("ALLOW", "BLOCK")), {}),
            (moved, proof_of(3, **{"class": 4}), {}),
            (moved, proof_of(3, leaf_index="4"), {}),
            (moved, proof_of(3, leaf_index="-1"), {}),
            (moved, proof_of(3, hashes=proof_of(3)["hashes"] + [base64_of(bytes(32))]), {}),
            (moved, proof_of(3, record_hashes=[base64_of(bytes(32))]), {}),
            (moved, proof_of(3, checkpoint=note_of(changed)), {}),
            (moved, proof_of(3, address=address_of(4)), {}),
            (moved, proof_of(3, address_salt=base64_of(bytes(16))), {}),
            (moved, proof_of(3, reference='{"request_id":"s"}'), {}),
            (moved, proof_of(3, reference="", reference_salt=""), {}),
            ("The call is not as recorded", proof_of(3, context=CALL.replace("Address", "Payment")), {}),
            ("version", proof_of(3, entry=base64_of(b"\2" + LEAVES[3][1:-32])), {}),
            ("The proof is of another record", proof_of(3), {"record": "00000000-3.0"}),
            ("The proof is of another record", proof_of(3, item=1), {}),
            ("The proof is for another tree size", proof_of(3, tree_size="21"), {}),
            ("The signature", proof_of(3, checkpoint=note.replace("\n20\n", "\n21\n"), tree_size=21), {}),
            ("The signature", proof_of(3, checkpoint=note.replace(note.split("\n")[2], base64_of(bytes(32)))), {}),
            (unsigned, proof_of(3), {"keys": (OTHER_SEED,)}),
            (unsigned, proof_of(3, checkpoint=note_of(LEAVES, origin="lazaretto/other")), {}),
            (grown, growth_of(7, changed), {"old": note_of(LEAVES[:7])}),
            (grown, growth_of(7, LEAVES[:5] + LEAVES[6:]), {"old": note_of(LEAVES[:7])}),
            (grown, growth_of(20, changed), {"old": note}),
            ("rolled back", growth_of(3, LEAVES[:7]), {"old": note}),
        ]:
            with self.subTest(expected=expected, proof=proof):
                self.check(expected, proof, **more)


if __name__ == "__main__":
    unittest.main()
