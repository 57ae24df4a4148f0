//! Names in fields: what is one, and how any bytes print.

use core::array;

use kho_block::Link;
use kho_block::linux::{
    File, LUO_COMPATIBLE, LuoError, LuoState, Name, NameError, Session, SharedObject,
};
use kho_block::zerocopy::{FromBytes, IntoBytes};

fn name(field: [u8; 64]) -> Name<64> {
    Name::read_from_bytes(&field).unwrap()
}

#[test]
fn a_name_ends_at_the_first_zero_byte_whatever_follows_it() {
    for end in (0..64).step_by(if cfg!(miri) { 21 } else { 1 }) {
        for rest in [0, 1, b'x', 0xff] {
            let field = array::from_fn(|i| match i {
                i if i < end => b'a' + u8::try_from(i % 26).unwrap(),
                i if i == end => 0,
                _ => rest,
            });
            let name = name(field);
            assert_eq!(name.get(), Ok(&field[..end]));
            assert_eq!(name.to_string().as_bytes(), &field[..end]);
            assert_eq!(format!("{name:?}"), format!("\"{name}\""));
        }
    }
}

#[test]
fn a_field_without_a_zero_byte_is_no_name() {
    let endless = name([b'a'; 64]);
    assert_eq!(endless.get(), Err(NameError::Endless { size: 64 }));
    assert_eq!(endless.get().unwrap_err().to_string(), "name without an end in 64 bytes");
    assert_eq!(endless.to_string(), "a".repeat(64));
    assert_eq!(format!("{endless:?}"), format!("\"{}\"...", "a".repeat(64)));
}

#[test]
fn every_byte_prints_as_printable_ascii_of_which_there_is_not_much() {
    for byte in (0..=255).step_by(if cfg!(miri) { 85 } else { 1 }) {
        for at in if cfg!(miri) { &[63][..] } else { &[0, 1, 31, 62, 63] }.iter().copied() {
            for other in [b'a', b'"', 0x1b, 0xff] {
                let mut field = [other; 64];
                field[at] = byte;
                let name = name(field);
                let session = Session { name, files: Link::EMPTY };
                for printed in [name.to_string(), format!("{name:?}"), format!("{session:?}")] {
                    assert!(printed.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{printed}");
                    assert!(printed.len() <= 4 * 64 + 72, "{printed}");
                }
                // Nothing ends the quotation but its end.
                let quoted = name.to_string().replace(r"\\", "").replace("\\\"", "");
                assert!(!quoted.contains('"'), "{name}");
                if byte != 0 {
                    assert_eq!(name.get(), Err(NameError::Endless { size: 64 }));
                }
            }
        }
    }
}

#[test]
fn a_name_that_is_made_fits_and_has_no_zero_byte() {
    let edges = [0, 47, 48, 63, 64];
    for len in (0..70).filter(|len| !cfg!(miri) || edges.contains(len)) {
        let text = vec![b'n'; len];
        let made = Name::<64>::new(&text);
        if len < 64 {
            let made = made.unwrap();
            assert_eq!(made.get(), Ok(&text[..]));
            assert!(made.as_bytes()[len..].iter().all(|&byte| byte == 0));
            assert_eq!(Session::new(&text, Link::EMPTY).unwrap().name, made);
        } else {
            let error = NameError::TooLong { len, size: 64 };
            assert_eq!(made, Err(error));
            assert_eq!(Session::new(&text, Link::EMPTY), Err(error));
        }
        let (file, object) = (File::new(&text, 1, 2), SharedObject::new(&text, 1, 2));
        if len < 48 {
            let (file, object) = (file.unwrap(), object.unwrap());
            assert_eq!((file.compatible.get(), file.data, file.token), (Ok(&text[..]), 1, 2));
            assert_eq!((object.name.get(), object.data, object.count), (Ok(&text[..]), 1, 2));
        } else {
            let error = NameError::TooLong { len, size: 48 };
            assert_eq!((file, object), (Err(error), Err(error)));
        }
        for offset in (0..len).step_by(if cfg!(miri) { 31 } else { 1 }) {
            let mut text = text.clone();
            text[offset] = 0;
            let error = NameError::ZeroByte { offset };
            assert_eq!(Name::<64>::new(&text), Err(error));
            assert_eq!(error.errno(), 22);
        }
    }
    assert_eq!(Name::<0>::new(b""), Err(NameError::TooLong { len: 0, size: 0 }));
}

#[test]
fn the_state_of_another_luo_is_refused_whichever_byte_of_its_version_differs() {
    let state = LuoState::new(7, None, None);
    assert_eq!(state.check(), Ok(()));
    assert_eq!(state.compatible.get(), Ok(LUO_COMPATIBLE.as_bytes()));
    for at in 0..8 {
        for byte in (0..=255).step_by(if cfg!(miri) { 85 } else { 1 }) {
            let mut other = state;
            other.as_mut_bytes()[at] = byte;
            let same = other == state;
            assert_eq!(other.check().is_ok(), same, "{other:?}");
            if !same {
                let LuoError::Compatible { found, expected } = other.check().unwrap_err() else {
                    panic!("another error")
                };
                assert_eq!((found, expected), (other.compatible, state.compatible));
            }
        }
    }
}
