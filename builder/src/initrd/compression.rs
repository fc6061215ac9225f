//! How an initrd, or a part of it, is compressed: what the kernels of Debian unpack, lzop excepted.

use std::fmt;
use std::io::{self, BufRead, Read};

use super::Defect;

/// No preset of xz needs more to unpack; the kernel has less to spare.
const MEMORY_LIMIT: u64 = 256 << 20;
/// What a block of lz4's legacy format unpacks to at most.
const LZ4_BLOCK: usize = 8 << 20;

/// A compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Zstd,
    Xz,
    Lzma,
    Lz4,
    Bzip2,
}

/// What a stream begins with.
const MAGICS: [(&[u8], Compression); 6] = [
    (b"\x1f\x8b", Compression::Gzip),
    (b"\x28\xb5\x2f\xfd", Compression::Zstd),
    (b"\xfd7zXZ\0", Compression::Xz),
    (b"\x5d\0\0", Compression::Lzma),
    (LZ4_MAGIC, Compression::Lz4),
    (b"BZh", Compression::Bzip2),
];
const LZ4_MAGIC: &[u8] = b"\x02\x21\x4c\x18";

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Lzma => "lzma",
            Self::Lz4 => "lz4",
            Self::Bzip2 => "bzip2",
        })
    }
}

impl Compression {
    /// The compression of the stream that `bytes` begins with.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        MAGICS.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, compression)| *compression)
    }

    /// Appends what the stream that `bytes` begins with unpacks to, up to `limit` bytes in all, and gives the
    /// stream's length. `at` is where it begins.
    ///
    /// # Errors
    /// [`Defect::Stream`] or [`Defect::TooLong`].
    pub(super) fn unpack(
        self,
        bytes: &[u8],
        at: usize,
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<usize, Defect> {
        let mut input = bytes;
        let done = match self {
            Self::Gzip => append(flate2::bufread::GzDecoder::new(&mut input), limit, out),
            Self::Zstd => zstd::stream::read::Decoder::with_buffer(&mut input)
                .and_then(|stream| append(stream.single_frame(), limit, out)),
            Self::Xz => {
                xz(&mut input, liblzma::stream::Stream::new_stream_decoder(MEMORY_LIMIT, 0), limit, out)
            }
            Self::Lzma => xz(&mut input, liblzma::stream::Stream::new_lzma_decoder(MEMORY_LIMIT), limit, out),
            Self::Lz4 => lz4(&mut input, limit, out),
            Self::Bzip2 => append(bzip2::bufread::BzDecoder::new(&mut input), limit, out),
        };
        done.map_err(|source| Defect::Stream { at, compression: self.to_string(), source })?;
        if out.len() > limit {
            return Err(Defect::TooLong { limit });
        }
        Ok(bytes.len() - input.len())
    }
}

/// Reads one byte more than may be there, at most.
fn append(stream: impl Read, limit: usize, out: &mut Vec<u8>) -> io::Result<()> {
    let room = limit.saturating_sub(out.len()) as u64 + 1;
    stream.take(room).read_to_end(out).map(|_| ())
}

fn xz(
    input: impl BufRead,
    stream: Result<liblzma::stream::Stream, liblzma::stream::Error>,
    limit: usize,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    append(liblzma::bufread::XzDecoder::new_stream(input, stream?), limit, out)
}

/// The legacy format, the only one that kernels read: the magic, then blocks, each with its packed length before it,
/// up to the end, a length of zero or another magic.
fn lz4(input: &mut &[u8], limit: usize, out: &mut Vec<u8>) -> io::Result<()> {
    *input = &input[LZ4_MAGIC.len()..];
    while let Some((length, rest)) = input.split_first_chunk() {
        let length = u32::from_le_bytes(*length) as usize;
        if length == 0 || input.starts_with(LZ4_MAGIC) || out.len() > limit {
            break;
        }
        let (block, rest) = rest.split_at_checked(length).ok_or(io::ErrorKind::UnexpectedEof)?;
        *input = rest;
        let start = out.len();
        out.resize(start + LZ4_BLOCK, 0);
        let unpacked = lz4_flex::block::decompress_into(block, &mut out[start..]);
        out.truncate(start + unpacked.map_err(io::Error::other)?);
    }
    Ok(())
}
