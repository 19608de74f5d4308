//! Trees against the definitions of RFC 6962 and published vectors.

use data_encoding::HEXLOWER;

use super::*;

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

fn hash(text: &str) -> Hash {
    hex(text).try_into().unwrap()
}

/// `LeafInputs` of <https://github.com/transparency-dev/merkle/blob/main/testonly/constants.go>,
/// first in the C++ tests of google/certificate-transparency.
const INPUTS: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];

/// `RootHashes` of the same file, by size.
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

/// The definition of PATH in RFC 6962, 2.1.1.
fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let (mut rest, sibling) = if index < left.len() {
        (path(index, left), root_of(right))
    } else {
        (path(index - left.len(), right), root_of(left))
    };
    rest.push(sibling);
    rest
}

/// The definition of SUBPROOF in RFC 6962, 2.1.2.
fn subproof(first: usize, leaves: &[Hash], is_known: bool) -> Vec<Hash> {
    if first == leaves.len() {
        return if is_known { Vec::new() } else { vec![root_of(leaves)] };
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let (mut rest, sibling) = if first <= left.len() {
        (subproof(first, left, is_known), root_of(right))
    } else {
        (subproof(first - left.len(), right, false), root_of(left))
    };
    rest.push(sibling);
    rest
}

fn of_ranges(ranges: Vec<Range<u64>>, leaves: &[Hash]) -> Vec<Hash> {
    ranges.into_iter().map(|r| root_of(&leaves[r.start as usize..r.end as usize])).collect()
}

#[test]
fn published_roots() {
    let leaves: Vec<Hash> = INPUTS.iter().map(|input| leaf_hash(&hex(input))).collect();
    for (size, root) in ROOTS.iter().enumerate() {
        assert_eq!(root_of(&leaves[..size]), hash(root), "size {size}");
    }
}

/// `TestRefInclusionProof` and `TestRefConsistencyProof` of
/// <https://github.com/transparency-dev/merkle/blob/main/testonly/reference_test.go>.
#[test]
fn published_proofs() {
    let leaves: Vec<Hash> = INPUTS.iter().map(|input| leaf_hash(&hex(input))).collect();
    let expected = [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ];
    assert_eq!(of_ranges(inclusion_ranges(5, 8), &leaves), expected.map(hash));
    let expected = [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ];
    assert_eq!(of_ranges(consistency_ranges(6, 8), &leaves), expected.map(hash));
    let expected = [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ];
    assert_eq!(of_ranges(consistency_ranges(2, 5), &leaves[..5]), expected.map(hash));
}

#[test]
fn proofs_equal_their_definition_and_verify() {
    let leaves: Vec<Hash> = (0..70u32).map(|n| leaf_hash(&n.to_be_bytes())).collect();
    for size in 1..=leaves.len() {
        let tree = &leaves[..size];
        let root = root_of(tree);
        for (index, leaf) in tree.iter().enumerate() {
            let proof = of_ranges(inclusion_ranges(index as u64, size as u64), tree);
            assert_eq!(proof, path(index, tree), "{index} in {size}");
            let (at, of) = (index as u64, size as u64);
            assert!(verify_inclusion(*leaf, at, of, &proof, root));
            assert!(!verify_inclusion(*leaf, at ^ 1, of, &proof, root) || size == 1);
            assert!(!verify_inclusion([0; 32], at, of, &proof, root));
        }
        for first in 1..=size {
            let proof = of_ranges(consistency_ranges(first as u64, size as u64), tree);
            assert_eq!(proof, subproof(first, tree, true), "{first} to {size}");
            let old = root_of(&leaves[..first]);
            let (first, size) = (first as u64, size as u64);
            assert!(verify_consistency(first, size, &proof, old, root), "{first} to {size}");
            assert!(!verify_consistency(first, size, &proof, [0; 32], root));
            assert!(!verify_consistency(first, size, &proof, old, [0; 32]));
            for at in 0..proof.len() {
                let mut changed = proof.clone();
                changed[at][3] ^= 1;
                assert!(!verify_consistency(first, size, &changed, old, root));
            }
        }
        assert!(verify_consistency(0, size as u64, &[], empty_root(), root));
        assert!(!verify_consistency(size as u64 + 1, size as u64, &[], root, root));
    }
}
