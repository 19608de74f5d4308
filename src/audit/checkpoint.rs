//! Checkpoints (<https://c2sp.org/tlog-checkpoint>): the size and the root of the log, signed.

use data_encoding::BASE64;

use super::merkle::Hash;
use super::note::{Note, NoteError, Signer, VerifierKey, sign};

/// The tree head of a log at one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub origin: String,
    pub size: u64,
    pub root: Hash,
}

/// A checkpoint with its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    pub checkpoint: Checkpoint,
    /// The signed note, as it is published.
    pub note: String,
}

impl SignedCheckpoint {
    pub(super) fn sign(checkpoint: Checkpoint, signers: &[&Signer]) -> Self {
        let root = BASE64.encode(&checkpoint.root);
        let text = format!("{}\n{}\n{root}\n", checkpoint.origin, checkpoint.size);
        Self { note: sign(&text, signers), checkpoint }
    }

    /// Parses a note without checking signatures; extension lines are accepted.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        let text = Note::parse(note)?.text;
        let checkpoint = parse_text(text).ok_or(NoteError::Checkpoint)?;
        Ok(Self { checkpoint, note: note.to_owned() })
    }

    /// Checks that the key has signed.
    pub fn verify(&self, key: &VerifierKey) -> Result<(), NoteError> {
        let is_signed = Note::parse(&self.note)?.is_signed_by(key)?;
        if is_signed { Ok(()) } else { Err(NoteError::UnknownKey) }
    }
}

fn parse_text(text: &str) -> Option<Checkpoint> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
    let parsed: u64 = size.parse().ok()?;
    let root = BASE64.decode(root.as_bytes()).ok()?.try_into().ok()?;
    let fine = !origin.is_empty() && parsed.to_string() == size && lines.all(|l| !l.is_empty());
    fine.then(|| Checkpoint { origin: origin.to_owned(), size: parsed, root })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn c2sp_example_is_parsed() {
        let note = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
        let signed = SignedCheckpoint::parse(note).unwrap();
        assert_eq!(signed.checkpoint.origin, "example.com/behind-the-sofa");
        assert_eq!(signed.checkpoint.size, 20_852_163);
        assert_eq!(signed.checkpoint.root[..3], [0x0a, 0xc5, 0x18]);
    }

    #[test]
    fn signed_checkpoints_round_trip() {
        let (signer, _) = Signer::generate("a.example/1").unwrap();
        let checkpoint = Checkpoint { origin: "a.example/1".into(), size: 7, root: [9; 32] };
        let signed = SignedCheckpoint::sign(checkpoint, &[&signer]);
        assert_eq!(SignedCheckpoint::parse(&signed.note).unwrap(), signed);
        assert_eq!(signed.verify(signer.verifier()), Ok(()));
        let mut changed = signed.clone();
        changed.note = signed.note.replace("\n7\n", "\n8\n");
        assert_eq!(changed.verify(signer.verifier()), Err(NoteError::Signature));
        assert!(SignedCheckpoint::parse(&signed.note.replace("\n7\n", "\n07\n")).is_err());
    }
}
