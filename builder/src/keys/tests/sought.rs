//! Keys are found in what holds them, however it is written.

use base64ct::{Base64, Encoding};
use edeploy_format::digest::hex;

use super::*;

#[test]
fn a_key_is_found_raw_in_hex_in_base64_and_in_pem() {
    let (_guard, paths) = folder();
    let mut keys = Keys::load(&paths).unwrap();
    let id = keys.make("root").unwrap();
    keys.make("targets").unwrap();
    let secret = keys.by_id[&id].signer.private().unwrap().to_bytes();
    let file = paths[0].join("root.pem");
    let found = |bytes: &[u8]| keys.needles().find(bytes).map(|(_, path)| path.to_owned());
    assert_eq!(found(&secret), Some(file.clone()));
    assert_eq!(found(hex(&secret).as_bytes()), Some(file.clone()));
    assert_eq!(found(hex(&secret).to_uppercase().as_bytes()), Some(file.clone()));
    for before in 0..3 {
        let text = Base64::encode_string(&[&b"abc"[..before], &secret].concat());
        assert_eq!(found(text.as_bytes()), Some(file.clone()), "{before} bytes before it");
    }
    assert_eq!(found(&fs::read(&file).unwrap()), Some(file.clone()));
    let der = Command::new("openssl").args(["pkey", "-outform", "DER", "-in"]).arg(&file).output().unwrap();
    assert_eq!(found(&der.stdout), Some(file));
    assert_eq!(found(&secret[..31]), None);
    assert_eq!(found(keys.public(&id).unwrap().ed25519().unwrap().as_bytes()), None);
}

#[test]
fn a_key_is_found_wherever_the_pieces_of_a_file_end() {
    let (_guard, paths) = folder();
    let mut keys = Keys::load(&paths).unwrap();
    let id = keys.make("root").unwrap();
    let secret = keys.by_id[&id].signer.private().unwrap().to_bytes();
    for at in [0, (1 << 20) - 7, 1 << 20, (1 << 20) + 31, 3 << 20] {
        let bytes = [vec![b'x'; at], secret.to_vec(), vec![b'y'; 100]].concat();
        assert_eq!(keys.needles().find_in(&*bytes).unwrap(), Some(&*paths[0].join("root.pem")), "at {at}");
        assert_eq!(keys.needles().find_in(&bytes[..at + 31]).unwrap(), None, "at {at}");
    }
}
