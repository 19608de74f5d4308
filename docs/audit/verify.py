"""Verifies offline that a record is in the decision log, or that the log has only grown. Needs Python 3.8.
lazaretto log proof RECORD > proof.json;       verify.py proof.json KEY --record RECORD  (KEY: of `lazaretto log key`)
lazaretto log consistency FIRST > growth.json; verify.py growth.json KEY [KEY ...] --old NOTE [--new NOTE]"""
import argparse, base64, datetime, hashlib, json, pathlib, re, struct, sys
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493  # Ed25519: its field; the group has 8 L points
D = -121665 * pow(121666, -1, P) % P
BECH32, DIGITS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz:-"
sha256 = lambda data: hashlib.sha256(data).digest()
node = lambda *below: check({*map(len, below)} == {32}, "A hash has a wrong length.") and sha256(b"\1" + b"".join(below))
decode = lambda text: base64.b64decode(text, validate=True)
load = lambda path: pathlib.Path(path).read_bytes().decode()
check = lambda is_true, sentence: is_true or sys.exit("FAILED: " + sentence)
def point(data):  # RFC 8032, 5.1.3
    y = int.from_bytes(data, "little") & 2**255 - 1
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * pow(2, (P - 1) // 4, P) % P
    check(y < P and x * x % P == square, "The verifier key is no point of Ed25519.")
    return (x if x & 1 == data[31] >> 7 else P - x), y
def add(p, q):  # RFC 8032, 5.1: the addition formula, affine
    t = D * p[0] * q[0] * p[1] * q[1]
    return (p[0] * q[1] + p[1] * q[0]) * pow(1 + t, -1, P) % P, (p[1] * q[1] + p[0] * q[0]) * pow(1 - t, -1, P) % P
def multiply(number, p):
    return add(add(half := multiply(number >> 1, p), half), p if number & 1 else (0, 1)) if number else (0, 1)
def is_signature(public, message, signature):  # RFC 8032, 5.1.7
    s, base = int.from_bytes(signature[32:], "little"), point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    x, y = add(multiply(s, base), multiply(8 * L - k, point(public)))
    return len(signature) == 64 and s < L and (y | (x & 1) << 255).to_bytes(32, "little") == signature[:32]
def checkpoint(note, keys):  # C2SP signed-note and tlog-checkpoint: origin, size and root, if a key has signed
    text, signatures = note.rstrip("\n").split("\n\n")[-2:]  # the last one, where a file has several
    origin, size, root = text.split("\n")[:3]
    keys = [(key_id, decode(key)) for name, key_id, key in (key.split("+", 2) for key in keys) if name == origin]
    for key_id, key in keys:  # a byte 1 for Ed25519, then the public key
        check(sha256(f"{origin}\n".encode() + key)[:4].hex() == key_id, "The verifier key does not fit its hash.")
        for found in map(decode, re.findall(f"^— {re.escape(origin)} (.*)$", signatures, re.M)):
            if found[:4].hex() == key_id:
                check(is_signature(key[1:], f"{text}\n".encode(), found[4:]), "The signature of the checkpoint is wrong.")
                return origin, int(size), decode(root)
    check(False, f"The checkpoint is of the log {origin!a} and has no signature by the given key.")
def root_of(leaf, index, size, hashes):  # RFC 6962, 2.1.1: the root by an inclusion proof
    if size == 1: return leaf
    left, sibling = 1 << (size - 1).bit_length() - 1, hashes.pop()
    if index >= left: return node(sibling, root_of(leaf, index - left, size - left, hashes))
    return node(root_of(leaf, index, left, hashes), sibling)
def records_root(record, place, count, hashes):  # docs/audit.md: up to four hashes below a node, from the left
    below = [record if at == place else hashes.pop(0) for at in range(count)[place // 4 * 4:][:4]]
    return record if count == 1 else records_root(node(*below), place // 4, (count + 3) // 4, hashes)
def roots_of(old, new, known, hashes):  # RFC 6962, 2.1.2: both roots; the old one is `known` while it is a subtree
    if old == new: return [known or hashes.pop()] * 2
    left, sibling = 1 << (new - 1).bit_length() - 1, hashes.pop()
    if old > left: return [node(sibling, root) for root in roots_of(old - left, new - left, None, hashes)]
    return [(roots := roots_of(old, left, known, hashes))[0], node(roots[1], sibling)]
def pack(text):  # a text as commitments have it: its form, then hex digits, bits of an alphabet, or UTF-8
    if re.fullmatch("0x[0-9a-fA-F]{40}", text):
        upper = int("".join("01"[digit.isupper()] for digit in text[2:]), 2)
        return bytes([2 if upper else 1]) + bytes.fromhex(text[2:]) + (upper.to_bytes(5, "big") if upper else b"")
    for form, start, width, alphabet in (3, "bc1", 5, BECH32), (4, "ltc1", 5, BECH32), (5, "", 6, DIGITS):
        if text.startswith(start) and set(text[len(start):]) <= set(alphabet) and len(text) <= 255:
            bits = "".join(format(alphabet.index(letter), f"0{width}b") for letter in text[len(start):]) + "1"
            return bytes([form]) + int(bits + "0" * (-len(bits) % 8), 2).to_bytes((len(bits) + 7) // 8, "big")
    return b"\0" + text.encode()
def part(name, proof):  # the hash that stands for a part of the record, and the part itself if the proof has it
    given, salt, text = decode(proof.get(name + "_hash", "")), decode(proof.get(name + "_salt", "")), proof.get(name, "")
    if salt: return check(len(salt) == 16, "A salt has a wrong length.") and (sha256(b"\0" + salt + pack(text)), text)
    if text: return sha256(bytes([proof.get("class", 0)]) + text.encode()), json.loads(text)  # the answer
    return given, {"redacted, or not in the proof": given.hex()} if given else None
def main(options):
    proof = json.loads(load(options.proof))
    hashes, path = ([decode(text) for text in proof.get(name, [])] for name in ("hashes", "record_hashes"))
    origin, size, root = checkpoint(load(options.new) if options.new else proof["checkpoint"], options.key)
    check(int(proof["second_size" if options.old else "tree_size"]) == size, "The proof is for another tree size.")
    if options.old:
        _, old, old_root = checkpoint(load(options.old), [key for key in options.key if key.startswith(origin + "+")])
        check(1 <= old <= size, f"The old checkpoint has {old} leaves, the new one {size}: the log was rolled back.")
        is_grown = roots_of(old, size, old_root, hashes) == [old_root, root] and not hashes
        check(is_grown, "The new tree is not the old one with leaves added: the log was changed, or the proof.")
        return print(f"PROVED: log {origin} grew from {old} to {size} leaves, and the first {old} are unchanged.")
    entry, index, item = decode(proof["entry"]), int(proof.get("leaf_index", 0)), int(proof.get("item", 0))
    version, time, context, count, alone, first = struct.unpack(">Bq32sBH32s", entry)  # all but the root of the records
    check(version == 3, "The entry has a version that this script does not read.")
    record, is_alone = f"{sha256(origin.encode())[:4].hex()}-{index}.{item}", alone >> item & 1
    check(options.record in (None, record) and 0 <= item < count <= 16, f"The proof is of another record: {record}.")
    (answer, address, reference), texts = zip(*(part(name, proof) for name in ("answer", "address", "reference")))
    fits = len(answer) == len(address) == 32 and len(reference) in (0, 32) and (is_alone or answer + reference == first)
    hashed = records_root(sha256(b"\2" + answer + address + reference) if is_alone else address, item, count, path)
    is_in = 0 <= index < size and root_of(sha256(b"\0" + entry + hashed), index, size, hashes) == root
    check(fits and is_in and not hashes + path, "The record was changed or moved, or the proof.")
    time, call = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=time), proof.get("context", "")
    check(not call or sha256(call.encode()) == context, "The call is not as recorded.")
    shown = {"recorded": f"{time}Z", "call": json.loads(call or "null") or {"not in the proof": context.hex()}}
    shown.update(zip(("answer", "address", "reference"), texts))
    print(f"PROVED: record {record} is in leaf {index} of {size} of log {origin}.\n{json.dumps(shown, indent=2)}")
if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name in ("proof", "--record", "--old", "--new"): parser.add_argument(name)
    parser.add_argument("key", nargs="+")
    try: main(parser.parse_args())
    except IndexError: sys.exit("FAILED: The proof has too few hashes.")
    except Exception as error: sys.exit(f"FAILED: This cannot be read as a proof and checkpoint: {error!r:.200}")
