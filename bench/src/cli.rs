//! What may be typed: types only.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Measures the product beside its peers and writes docs/performance.md.
#[derive(Debug, Parser)]
#[command(name = "bench", max_term_width = 100)]
pub struct Cli {
    /// What to measure; everything, without one.
    #[arg(value_enum)]
    pub parts: Vec<Part>,
    /// How often each way is taken, in turn; what takes minutes is taken less often.
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// Only these cases, such as web1-web2, or 10k of growth.
    #[arg(long, value_name = "CASE")]
    pub case: Vec<String>,
    /// Only these ways, such as ours or ostree.
    #[arg(long, value_name = "WAY")]
    pub way: Vec<String>,
    /// Measure again only what has fewer rounds than asked for, or was measured with another build of ours.
    #[arg(long)]
    pub resume: bool,
    /// Where trees, sites and images are made; some 20 GB, with growth 30.
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    pub work: PathBuf,
    /// Trees that are there already: t/NAME and trees/NAME.tar. They are only read.
    #[arg(long, value_name = "DIR")]
    pub trees: Option<PathBuf>,
    /// The build side's program.
    #[arg(long, value_name = "FILE", default_value = "target/release/rolebuild")]
    pub rolebuild: PathBuf,
    /// The host's program.
    #[arg(long, value_name = "FILE", default_value = "target/host/edeploy-ab")]
    pub updater: PathBuf,
    /// The fleet service's program.
    #[arg(long, value_name = "FILE", default_value = "target/release/edeploy-fleet")]
    pub fleet: PathBuf,
    /// Where results, plots and the page are: docs of this repository, unless told otherwise.
    #[arg(long, value_name = "DIR", default_value = "docs")]
    pub docs: PathBuf,
}

/// One kind of measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Part {
    /// Makes the trees.
    Trees,
    /// Sizes of deltas, and what making them costs.
    Delta,
    /// Bytes fetched without a delta made for the pair.
    Any,
    /// Processor time and memory of applying a delta.
    Apply,
    /// A whole upgrade of a disk image, against writing an image.
    Upgrade,
    /// Reading a slot against its manifest.
    Verify,
    /// A first install, against unpacking an archive.
    Install,
    /// Committing and packing a tree, new and again.
    Build,
    /// Many files and one large file.
    Growth,
    /// Many hosts that upgrade at once from one server.
    Load,
    /// Matching machines whose disks are alike.
    Match,
    /// Many machines that report at once to the fleet service.
    Fleet,
    /// The size of the host binary.
    Size,
    /// Writes tables and plots from what was measured.
    Report,
}

impl Part {
    /// Whether what is measured is the fleet service's program, which has no peer: no tree, site or image is needed.
    pub fn is_of_fleet(self) -> bool {
        match self {
            Self::Match | Self::Fleet => true,
            Self::Trees
            | Self::Delta
            | Self::Any
            | Self::Apply
            | Self::Upgrade
            | Self::Verify
            | Self::Install
            | Self::Build
            | Self::Growth
            | Self::Load
            | Self::Size
            | Self::Report => false,
        }
    }
}
