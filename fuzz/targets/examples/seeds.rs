//! Lays the sound examples of all targets into the corpora: `cargo run -p fuzz-targets --example seeds -- fuzz/corpus`.

use std::path::PathBuf;
use std::{env, fs, io};

use edeploy_format::digest::Digest;
use fuzz_targets::TARGETS;
use fuzz_targets::seeds::seeds;

fn main() -> io::Result<()> {
    let corpus = PathBuf::from(env::args_os().nth(1).unwrap_or_else(|| "fuzz/corpus".into()));
    for (name, _) in TARGETS {
        let folder = corpus.join(name);
        fs::create_dir_all(&folder)?;
        for seed in seeds(name) {
            fs::write(folder.join(&Digest::of(&seed).to_string()[..40]), seed)?;
        }
    }
    Ok(())
}
