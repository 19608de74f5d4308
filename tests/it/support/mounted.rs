//! A small file system of a test's own, in memory: a disk that can be full.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::needs::{Need, found};

/// A mounted file system, unmounted when dropped.
pub struct Mounted(tempfile::TempDir);

impl Mounted {
    /// `None`, reported, where this process may not mount.
    pub fn new(megabytes: u32) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "none"])
            .arg(dir.path())
            .output();
        let is_mounted = mount.is_ok_and(|output| output.status.success());
        found(Need::Mount, is_mounted.then(|| Self(dir)))
    }

    /// Writes to it are refused from now on, or taken again.
    pub fn set_read_only(&self, read_only: bool) {
        let options = if read_only { "remount,ro" } else { "remount,rw" };
        let mount = Command::new("mount").args(["-o", options]).arg(self.path()).status();
        assert!(mount.unwrap().success());
    }

    /// Fills it to the last byte; the file that does so, to be removed.
    pub fn fill(&self) -> PathBuf {
        let path = self.path().join("filler");
        let mut file = std::fs::File::create(&path).unwrap();
        let mut part = vec![0; 1 << 16];
        while !part.is_empty() {
            if std::io::Write::write_all(&mut file, &part).is_err() {
                part.truncate(part.len() / 2);
            }
        }
        path
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}
