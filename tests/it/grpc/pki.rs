//! Authorities and certificates made for a test, and the files of a server's TLS as Kubernetes
//! keeps them. Asserts nothing.

use std::path::{Path, PathBuf};

use lazaretto::config::TlsFiles;
use lazaretto::grpc::client::{Credentials, Token};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};

/// Who signs certificates.
pub struct Authority {
    /// Its own certificate, PEM.
    pub pem: String,
    /// What its signatures need beside it: the certificates of authorities between, PEM.
    chain: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
pub struct Leaf {
    /// PEM.
    pub certificate: String,
    /// PEM.
    pub key: String,
    /// The certificate in DER.
    pub der: Vec<u8>,
}

impl Authority {
    /// A new one, trusted by nobody yet.
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, chain: String::new(), issuer: Issuer::new(params, key) }
    }

    /// An authority that this one vouches for.
    pub fn intermediate(&self, name: &str, edit: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        edit(&mut params);
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Self { chain: pem.clone() + &self.chain, pem, issuer: Issuer::new(params, key) }
    }

    /// Signs what `edit` makes of a certificate for 127.0.0.1.
    pub fn sign(&self, edit: impl FnOnce(&mut CertificateParams)) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.remove(DnType::CommonName);
        edit(&mut params);
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        let certificate = signed.pem() + &self.chain;
        Leaf { certificate, key: key.serialize_pem(), der: signed.der().to_vec() }
    }

    /// A server's certificate.
    pub fn server(&self) -> Leaf {
        self.sign(|_| {})
    }

    /// A client's, with this URI.
    pub fn client(&self, uri: &str) -> Leaf {
        let uri = SanType::URI(uri.try_into().unwrap());
        self.sign(|params| params.subject_alt_names = vec![uri])
    }
}

/// How a client that trusts `authority` proves itself.
pub fn credentials(authority: &Authority, token: Option<&str>, leaf: Option<&Leaf>) -> Credentials {
    let identity = leaf.map(|leaf| (leaf.certificate.clone().into(), leaf.key.clone().into()));
    Credentials {
        token: token.map(|token| Token::new(token).unwrap()),
        ca: Some(authority.pem.clone().into()),
        identity,
        allow_plaintext: false,
    }
}

/// A mounted Secret: `tls.crt` and its like are links into `..data`, itself a link that is swapped
/// (kubernetes/pkg/volume/util/atomic_writer.go).
pub struct Secret {
    dir: PathBuf,
    writes: usize,
}

impl Secret {
    /// A Secret at `dir`.
    pub fn new(dir: &Path, leaf: &Leaf, ca: &str) -> Self {
        let mut secret = Self { dir: dir.to_owned(), writes: 0 };
        std::fs::create_dir_all(dir).unwrap();
        secret.swap(&leaf.certificate, &leaf.key, ca);
        for name in ["tls.crt", "tls.key", "ca.crt"] {
            let target = Path::new("..data").join(name);
            std::os::unix::fs::symlink(target, dir.join(name)).unwrap();
        }
        secret
    }

    /// Puts other contents in place, all at once.
    pub fn swap(&mut self, certificate: &str, key: &str, ca: &str) {
        self.writes += 1;
        let folder = format!("..{}", self.writes);
        std::fs::create_dir(self.dir.join(&folder)).unwrap();
        for (name, content) in [("tls.crt", certificate), ("tls.key", key), ("ca.crt", ca)] {
            std::fs::write(self.dir.join(&folder).join(name), content).unwrap();
        }
        std::os::unix::fs::symlink(&folder, self.dir.join("..data_tmp")).unwrap();
        std::fs::rename(self.dir.join("..data_tmp"), self.dir.join("..data")).unwrap();
    }

    /// The files, of which the authority is there for clients or not.
    pub fn files(&self, verifies_clients: bool) -> TlsFiles {
        TlsFiles {
            certificate: self.dir.join("tls.crt"),
            key: self.dir.join("tls.key"),
            client_ca: verifies_clients.then(|| self.dir.join("ca.crt")),
            require_client_certificate: false,
            common_name_beside_san: false,
        }
    }
}
