//! Randomness from the kernel: identities of machines and file systems.

use edeploy_format::exit::Exit;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::failure::Failure;

/// So many random bytes.
///
/// # Errors
/// If the kernel gives none.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    match getrandom(&mut bytes, GetRandomFlags::empty()) {
        Ok(n) if n == N => Ok(bytes),
        Ok(_) => Err(Failure::new(Exit::Failed, "the kernel gave too little randomness")),
        Err(e) => Err(Failure::new(Exit::Failed, std::io::Error::from(e))),
    }
}

/// The bytes of a random UUID (version 4, RFC 9562).
///
/// # Errors
/// If the kernel gives none.
pub fn uuid() -> Result<[u8; 16], Failure> {
    let mut uuid: [u8; 16] = bytes()?;
    uuid[6] = uuid[6] & 0x0f | 0x40;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    Ok(uuid)
}

/// A random number.
///
/// # Errors
/// If the kernel gives none.
pub fn number() -> Result<u32, Failure> {
    Ok(u32::from_le_bytes(bytes()?))
}
