//! The files `endpoint` and `socket` in the data directory, by which commands find the server that holds
//! the store. They are created when the server listens and removed at a graceful shutdown. After a crash
//! they remain, so their presence proves nothing.

use std::fs::{DirBuilder, Permissions};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

const NAME: &str = "endpoint";

/// The longest content that is read, in bytes.
const MAX_LENGTH: u64 = 1024;

/// The path of the file.
pub fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(NAME)
}

/// The path of the socket. A process that can open it runs as the owner, and may do everything.
pub fn socket(data_dir: &Path) -> PathBuf {
    data_dir.join("socket")
}

/// Listens on the socket, which its owner alone can open. Only who holds the store may: a socket
/// that stands there is taken for the leftover of a process that was killed. InvalidInput where the
/// path is too long.
pub fn bind_socket(data_dir: &Path) -> io::Result<UnixListener> {
    // Made in a folder of our own, so that there is no moment in which other users can open it.
    let private = data_dir.join("s");
    DirBuilder::new().recursive(true).mode(0o700).create(&private)?;
    let made = private.join("s");
    remove_file(&made)?;
    let listener = UnixListener::bind(&made)?;
    std::fs::set_permissions(&made, Permissions::from_mode(0o600))?;
    std::fs::rename(&made, socket(data_dir))?;
    std::fs::remove_dir(&private)?;
    Ok(listener)
}

pub fn remove_socket(data_dir: &Path) -> io::Result<()> {
    remove_file(&socket(data_dir))
}

fn remove_file(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Where to ask a server that is bound to `bound`, from the same machine.
pub fn url(bound: SocketAddr, tls: bool) -> String {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    let scheme = if tls { "https" } else { "http" };
    format!("{scheme}://{}", SocketAddr::new(ip, bound.port()))
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
    fn the_socket_is_its_owners_and_takes_the_place_of_a_leftover() {
        let runtime = crate::cli::runtime().unwrap();
        let _entered = runtime.enter();
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let listener = bind_socket(dir.path()).unwrap();
            let mode = std::fs::metadata(socket(dir.path())).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            std::os::unix::net::UnixStream::connect(socket(dir.path())).unwrap();
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
            drop(listener);
        }
        remove_socket(dir.path()).unwrap();
        remove_socket(dir.path()).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let deep = dir.path().join("x".repeat(120));
        let error = bind_socket(&deep).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn an_address_that_can_be_asked() {
        let check = |bound: &str, want: &str| assert_eq!(url(bound.parse().unwrap(), false), want);
        check("127.0.0.1:50551", "http://127.0.0.1:50551");
        check("0.0.0.0:1", "http://127.0.0.1:1");
        check("[::]:1", "http://[::1]:1");
        check("10.0.0.7:9", "http://10.0.0.7:9");
        assert_eq!(url("0.0.0.0:1".parse().unwrap(), true), "https://127.0.0.1:1");
    }
}
