//! Signed notes with Ed25519 (<https://c2sp.org/signed-note>): text, a blank line, and a line for
//! each signature.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE64, HEXLOWER};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use sha2::{Digest, Sha256};

/// The identifier of Ed25519 signatures.
const ED25519_TYPE: u8 = 1;

/// The beginning of a signature line: an em dash and a space.
pub(super) const DASH: &str = "\u{2014} ";

/// The beginning of a private key, as Go's `golang.org/x/mod/sumdb/note` writes it.
const PRIVATE: &str = "PRIVATE+KEY+";

/// Signatures of a note that are read.
const MAX_SIGNATURES: usize = 100;

/// Why a note or a key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("not a signed note: text, a blank line and signature lines are needed")]
    Form,
    #[error("not a checkpoint: origin, size and root hash are needed")]
    Checkpoint,
    #[error("not a verifier key: <name>+<key id>+<base64 of an Ed25519 key> is needed")]
    VerifierKey,
    #[error("not a private key: PRIVATE+KEY+<name>+<key id>+<base64> is needed")]
    PrivateKey,
    #[error("the signature is wrong")]
    Signature,
    #[error("no signature by a known key")]
    UnknownKey,
}

/// A public key: `<name>+<key id>+<base64>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    pub name: String,
    /// An Ed25519 key as RFC 8032 encodes it.
    pub public: [u8; 32],
}

impl VerifierKey {
    /// Returns the first four bytes of SHA-256 over name, newline, type and key.
    pub fn id(&self) -> [u8; 4] {
        let digest = Sha256::new_with_prefix(&self.name)
            .chain_update([b'\n', ED25519_TYPE])
            .chain_update(self.public)
            .finalize();
        let mut id = [0; 4];
        id.copy_from_slice(&digest[..4]);
        id
    }

    fn verify(&self, text: &str, signature: &[u8]) -> Result<(), NoteError> {
        UnparsedPublicKey::new(&ED25519, &self.public)
            .verify(text.as_bytes(), signature)
            .map_err(|_| NoteError::Signature)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[ED25519_TYPE][..], &self.public].concat();
        let id = HEXLOWER.encode(&self.id());
        write!(f, "{}+{id}+{}", self.name, BASE64.encode(&key))
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let (name, public) = parse_key(text).ok_or(NoteError::VerifierKey)?;
        let key = Self { name, public };
        // The id is part of the text.
        if key.to_string() == text { Ok(key) } else { Err(NoteError::VerifierKey) }
    }
}

/// Parses `<name>+<id>+<base64 of type and 32 bytes>`; the id is left to the caller.
fn parse_key(text: &str) -> Option<(String, [u8; 32])> {
    let (name, rest) = text.split_once('+')?;
    let (_, key) = rest.split_once('+')?;
    let key = BASE64.decode(key.as_bytes()).ok()?;
    let (kind, key) = key.split_first()?;
    (is_name(name) && *kind == ED25519_TYPE).then_some((name.to_owned(), key.try_into().ok()?))
}

/// Returns true for a name of keys and logs: visible characters, no `+`.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

/// A private key. Its text form is that of Go's `note.GenerateKey`.
pub(super) struct Signer {
    verifier: VerifierKey,
    pair: Ed25519KeyPair,
}

impl Signer {
    /// Makes a key. Returns its text with it, which is kept nowhere else.
    pub(super) fn generate(name: &str) -> Option<(Self, String)> {
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).ok()?;
        let signer = Self::from_seed(name.to_owned(), &seed)?;
        let id = HEXLOWER.encode(&signer.verifier.id());
        let key = BASE64.encode(&[&[ED25519_TYPE][..], &seed].concat());
        Some((signer, format!("{PRIVATE}{name}+{id}+{key}")))
    }

    pub(super) fn parse(text: &str) -> Result<Self, NoteError> {
        let parsed = text.strip_prefix(PRIVATE).and_then(parse_key);
        let (name, seed) = parsed.ok_or(NoteError::PrivateKey)?;
        let signer = Self::from_seed(name, &seed).ok_or(NoteError::PrivateKey)?;
        let id = format!("+{}+", HEXLOWER.encode(&signer.verifier.id()));
        if text.contains(&id) { Ok(signer) } else { Err(NoteError::PrivateKey) }
    }

    fn from_seed(name: String, seed: &[u8; 32]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let public = pair.public_key().as_ref().try_into().ok()?;
        Some(Self { verifier: VerifierKey { name, public }, pair })
    }

    pub(super) fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Returns the signature line of `text`.
    fn sign(&self, text: &str) -> String {
        let signature = self.pair.sign(text.as_bytes());
        let signature = [&self.verifier.id()[..], signature.as_ref()].concat();
        format!("{DASH}{} {}\n", self.verifier.name, BASE64.encode(&signature))
    }
}

/// Returns the note of a text, which ends in a newline, signed by each.
pub(super) fn sign(text: &str, signers: &[&Signer]) -> String {
    let lines: String = signers.iter().map(|signer| signer.sign(text)).collect();
    format!("{text}\n{lines}")
}

/// Returns the name of the key, and its id with the signature.
fn parse_signature(line: &str) -> Option<(&str, Vec<u8>)> {
    let (name, signature) = line.strip_prefix(DASH)?.split_once(' ')?;
    let signature = BASE64.decode(signature.as_bytes()).ok()?;
    (is_name(name) && signature.len() >= 5).then_some((name, signature))
}

pub(super) fn is_signature(line: &str) -> bool {
    parse_signature(line).is_some()
}

/// Returns true for a line that may be the beginning of a signature line, also an empty one.
pub(super) fn is_signature_start(line: &str) -> bool {
    DASH.starts_with(line) || line.starts_with(DASH)
}

/// A parsed note, whose signatures are not yet checked.
pub(super) struct Note<'a> {
    /// What is signed: ends with a newline.
    pub(super) text: &'a str,
    signatures: Vec<(&'a str, Vec<u8>)>,
}

impl<'a> Note<'a> {
    pub(super) fn parse(note: &'a str) -> Result<Self, NoteError> {
        if note.contains(|c: char| c < ' ' && c != '\n') {
            return Err(NoteError::Form);
        }
        let at = note.rfind("\n\n").ok_or(NoteError::Form)?;
        let (text, lines) = (&note[..=at], &note[at + 2..]);
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Form)?;
        let signatures: Option<Vec<_>> = lines.split('\n').map(parse_signature).collect();
        let signatures = signatures.ok_or(NoteError::Form)?;
        if signatures.len() > MAX_SIGNATURES {
            return Err(NoteError::Form);
        }
        Ok(Self { text, signatures })
    }

    /// Returns whether the key has signed; fails if a signature that names it is wrong.
    pub(super) fn is_signed_by(&self, key: &VerifierKey) -> Result<bool, NoteError> {
        let mut found = false;
        for (name, signature) in &self.signatures {
            let (id, signature) = signature.split_at(4);
            if *name == key.name && id == key.id() {
                key.verify(self.text, signature)?;
                found = true;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The example of the package `golang.org/x/mod/sumdb/note`, whose form C2SP took over.
    const TEXT: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n";
    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const SIGNATURE: &str = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    const PETER_PRIVATE: &str =
        "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";

    #[test]
    fn published_example_is_verified_and_signed_alike() {
        let key: VerifierKey = PETER.parse().unwrap();
        let note = format!("{TEXT}\n{SIGNATURE}");
        assert_eq!(Note::parse(&note).unwrap().is_signed_by(&key), Ok(true));
        let signer = Signer::parse(PETER_PRIVATE).unwrap();
        assert_eq!(signer.verifier().to_string(), PETER);
        assert_eq!(sign(TEXT, &[&signer]), note);
        let changed = note.replace("answer", "Answer");
        let changed = Note::parse(&changed).unwrap();
        assert_eq!(changed.is_signed_by(&key), Err(NoteError::Signature));
    }

    #[test]
    fn c2sp_example_is_parsed() {
        let note = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n\u{2014} quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";
        let note = Note::parse(note).unwrap();
        assert!(note.text.ends_with("ed è subito sera.\n"));
        assert_eq!(note.signatures.len(), 1);
        assert_eq!(note.signatures[0].1.len(), 68);
    }

    #[test]
    fn generated_keys_round_trip_and_unknown_ones_are_ignored() {
        let (signer, text) = Signer::generate("lazaretto.example/log").unwrap();
        let again = Signer::parse(&text).unwrap();
        assert_eq!(again.verifier(), signer.verifier());
        assert_eq!(signer.verifier().to_string().parse(), Ok(signer.verifier().clone()));
        let (other, _) = Signer::generate("lazaretto.example/log").unwrap();
        let note = sign("text\n", &[&signer, &other]);
        let note = Note::parse(&note).unwrap();
        assert_eq!(note.is_signed_by(signer.verifier()), Ok(true));
        assert_eq!(note.is_signed_by(other.verifier()), Ok(true));
        assert_eq!(note.is_signed_by(&PETER.parse().unwrap()), Ok(false));
    }

    #[test]
    fn wrong_forms_are_refused() {
        for note in
            ["", "a", "a\n", "a\n\n", "a\n\nb\n", "a\n\n\u{2014} n AAAA\n", "a\r\n\n\u{2014}"]
        {
            assert!(Note::parse(note).is_err(), "{note:?}");
        }
        for key in ["", "a", "a+b", &PETER.replace("c74f", "c74e"), &PETER.replace("ARpc", "Arpc")]
        {
            assert!(key.parse::<VerifierKey>().is_err(), "{key}");
            assert!(Signer::parse(&format!("{PRIVATE}{key}")).is_err(), "{key}");
        }
    }
}
