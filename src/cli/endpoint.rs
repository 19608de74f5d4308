//! The file `endpoint` in the data directory: where the server that holds the store can be asked.
//! Written after the server listens, removed when it ends well; after a crash it stays behind, so
//! that its presence alone proves nothing.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// The file's name.
const NAME: &str = "endpoint";

/// The longest content that is read, in bytes.
const MAX_LENGTH: u64 = 1024;

/// The path of the file.
pub fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(NAME)
}

/// Where to ask a server that is bound to `bound`, from the same machine.
pub fn url(bound: SocketAddr) -> String {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, bound.port()))
}

/// Writes the file whole or not at all.
pub fn write(data_dir: &Path, url: &str) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(data_dir)?;
    writeln!(file, "{url}")?;
    file.persist(path(data_dir))?;
    Ok(())
}

/// Removes the file where it still names `url`: another server may have written its own.
pub fn remove(data_dir: &Path, url: &str) -> io::Result<()> {
    match read(data_dir)? {
        Some(found) if found == url => std::fs::remove_file(path(data_dir)),
        _ => Ok(()),
    }
}

/// The line in the file; `None` where there is no file.
pub fn read(data_dir: &Path) -> io::Result<Option<String>> {
    let file = match std::fs::File::open(path(data_dir)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    file.take(MAX_LENGTH).read_to_string(&mut text)?;
    Ok(Some(text.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_read_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
        write(dir.path(), "http://127.0.0.1:1").unwrap();
        write(dir.path(), "http://127.0.0.1:2").unwrap();
        assert_eq!(read(dir.path()).unwrap().unwrap(), "http://127.0.0.1:2");
        remove(dir.path(), "http://127.0.0.1:1").unwrap();
        assert!(path(dir.path()).exists(), "another server's file stays");
        remove(dir.path(), "http://127.0.0.1:2").unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        remove(dir.path(), "http://127.0.0.1:2").unwrap();
    }

    #[test]
    fn an_address_that_can_be_asked() {
        let check = |bound: &str, want: &str| assert_eq!(url(bound.parse().unwrap()), want);
        check("127.0.0.1:50551", "http://127.0.0.1:50551");
        check("0.0.0.0:1", "http://127.0.0.1:1");
        check("[::]:1", "http://[::1]:1");
        check("10.0.0.7:9", "http://10.0.0.7:9");
    }
}
