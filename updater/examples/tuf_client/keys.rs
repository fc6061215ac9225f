//! The kinds of keys that the specification names: Ed25519 as hosts check it, ECDSA and RSA by ring.

use edeploy_format::tuf::Key;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;

/// OIDs with their tag and length: id-ecPublicKey, rsaEncryption.
const ECDSA: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// The public key, when `signature` is its signature of `message`; `None` for keys of other kinds.
pub(crate) fn signer(key: &Key, message: &[u8], signature: &[u8]) -> Option<Vec<u8>> {
    let (algorithm, kind): (&dyn VerificationAlgorithm, _) = match (key.text("keytype")?, key.text("scheme")?)
    {
        ("ed25519", "ed25519") => return key.signed(message, signature),
        ("ecdsa" | "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256") => (&ECDSA_P256_SHA256_ASN1, ECDSA),
        ("rsa", "rsassa-pss-sha256") => (&RSA_PSS_2048_8192_SHA256, RSA),
        ("rsa", "rsa-pkcs1v15-sha256") => (&RSA_PKCS1_2048_8192_SHA256, RSA),
        _ => return None,
    };
    let spki = SubjectPublicKeyInfoDer::from_pem_slice(key.text("public")?.as_bytes()).ok()?;
    let public = public_key(&spki, kind)?;
    let signed = UnparsedPublicKey::new(algorithm, public).verify(message, signature);
    signed.is_ok().then(|| public.to_vec())
}

/// The bits of the key in a `SubjectPublicKeyInfo` (RFC 5280) whose algorithm is `kind`.
fn public_key<'a>(spki: &'a [u8], kind: &[u8]) -> Option<&'a [u8]> {
    let (fields, []) = element(spki, 0x30)? else { return None };
    let (algorithm, rest) = element(fields, 0x30)?;
    let (bits, []) = element(rest, 0x03)? else { return None };
    // No bit of the last byte is unused.
    bits.strip_prefix(&[0]).filter(|_| algorithm.starts_with(kind))
}

/// The content of the DER element at the beginning of `der`, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match der.strip_prefix(&[tag])? {
        [short @ 0..=0x7f, rest @ ..] => (usize::from(*short), rest),
        [0x81, length, rest @ ..] => (usize::from(*length), rest),
        [0x82, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        _ => return None,
    };
    rest.split_at_checked(length)
}
