//! From two published versions to the delta between them, and from one to that which makes it of itself.

pub mod archive;
pub mod check;
pub mod choose;
pub mod contents;
pub mod cut;
pub mod frames;
pub mod large;
pub mod make;
mod mapped;
pub mod own;
pub mod pair;
pub mod publish;
pub mod published;
pub mod rolling;
pub mod runs;
pub mod search;
pub mod texts;

/// Bytes that nothing resembles, the same each time, for tests.
#[cfg(test)]
fn noise(mut seed: u64, length: usize) -> Vec<u8> {
    let byte = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed.to_be_bytes()[0]
    };
    std::iter::repeat_with(byte).take(length).collect()
}
