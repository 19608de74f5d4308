//! The size of the store on disk.

use std::fs;
use std::io;
use std::path::Path;

use super::{Store, StoreError};

impl Store {
    /// Returns the bytes of all files below the store's directory.
    pub fn size(&self) -> Result<u64, StoreError> {
        let path = self.dir.clone();
        size_below(&self.dir).map_err(|source| StoreError::Io { path, source })
    }
}

/// Ignores files that vanish meanwhile, as the database's own do from time to time.
fn size_below(dir: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            match entry.metadata() {
                Ok(found) if found.is_dir() => folders.push(entry.path()),
                Ok(found) => bytes += found.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that panics has failed
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_counted_once() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(size_below(dir.path()).unwrap(), 0);
        assert_eq!(size_below(&dir.path().join("absent")).unwrap(), 0);
        fs::create_dir(dir.path().join("below")).unwrap();
        fs::write(dir.path().join("a"), [0; 3]).unwrap();
        fs::write(dir.path().join("below/b"), [0; 5]).unwrap();
        assert_eq!(size_below(dir.path()).unwrap(), 8);
    }
}
