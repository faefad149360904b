//! Signatures hold for one text and one key.

use igpt_remote::sign::{SecretKey, generate, verify};

#[test]
fn a_signature_is_of_one_text_by_one_key() {
    let (ours, theirs) = (generate().unwrap(), generate().unwrap());
    let (ours, theirs) = (SecretKey::read(&ours).unwrap(), SecretKey::read(&theirs).unwrap());
    let signature = ours.sign(b"text");
    assert!(verify(&ours.public(), b"text", &signature));
    assert!(!verify(&ours.public(), b"texT", &signature));
    assert!(!verify(&theirs.public(), b"text", &signature));
    assert!(!verify(&ours.public(), b"text", &signature[1..]));
    assert!(SecretKey::read(b"no key").is_none());
    assert_eq!(format!("{ours:?}"), "SecretKey");
}
