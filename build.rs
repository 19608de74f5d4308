//! Compiles `proto/` to Rust in pure Rust (no `protoc`), with JSON in the proto's field names.

use std::path::{Path, PathBuf};

use prost::Message;

const PROTOS: [&str; 7] = [
    "lazaretto/v1/decision_log.proto",
    "lazaretto/v1/errors.proto",
    "lazaretto/v1/lists.proto",
    "lazaretto/v1/policy.proto",
    "lazaretto/v1/screening.proto",
    "lazaretto/v1/store.proto",
    "lazaretto/v1/transfers.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let descriptors = protox::compile(PROTOS, ["proto"])?;
    let encoded = descriptors.encode_to_vec();
    std::fs::write(out.join("lazaretto.v1.descriptors.bin"), &encoded)?;
    tonic_prost_build::configure()
        .compile_well_known_types(true)
        .codec_path("crate::grpc::codec::Codec")
        .extern_path(".google.protobuf", "::pbjson_types")
        .compile_fds(descriptors)?;
    pbjson_build::Builder::new()
        .register_descriptors(&encoded)?
        .preserve_proto_field_names()
        .build(&[".lazaretto.v1"])?;
    assert!(Path::new(&out).join("lazaretto.v1.serde.rs").exists());
    Ok(())
}
