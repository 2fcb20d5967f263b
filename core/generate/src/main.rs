//! Writes `core/wire/src/generated` from `proto/`; with `--check` it writes nothing and fails if the files there differ.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use prost::Message;

const PROTOS: [&str; 2] = ["sternpost/v1/scoring.proto", "inference/inference.proto"];
const DESCRIPTORS: &str = "descriptors.bin";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("the manifest has no parent directory")?;
    let target = core.join("wire/src/generated");
    if std::env::args().nth(1).as_deref() != Some("--check") {
        generate(core, &target)?;
        return Ok(ExitCode::SUCCESS);
    }
    let fresh = std::env::temp_dir().join(format!("sternpost-generate-{}", std::process::id()));
    generate(core, &fresh)?;
    let differing = differing(&fresh, &target)?;
    fs::remove_dir_all(&fresh)?;
    for path in &differing {
        eprintln!("{} is not what proto/ gives; run make generate", path.display());
    }
    Ok(if differing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn generate(core: &Path, target: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(target)?;
    let proto = core.join("../proto");
    let mut descriptors =
        protox::Compiler::new([&proto])?.include_imports(true).include_source_info(true).open_files(PROTOS)?.file_descriptor_set();
    tonic_prost_build::configure().bytes(".").build_transport(false).out_dir(target).compile_fds(descriptors.clone())?;
    // Reflection needs no comments.
    for file in &mut descriptors.file {
        file.source_code_info = None;
    }
    fs::write(target.join(DESCRIPTORS), descriptors.encode_to_vec())?;
    Ok(())
}

fn differing(fresh: &Path, target: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let names = |folder: &Path| -> std::io::Result<Vec<_>> { fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect() };
    let mut all = names(fresh)?;
    all.extend(names(target)?);
    all.sort();
    all.dedup();
    let differs = |name: &std::ffi::OsString| fs::read(fresh.join(name)).ok() != fs::read(target.join(name)).ok();
    Ok(all.into_iter().filter(differs).map(|name| target.join(name)).collect())
}
