use super::*;

/// A structure of this kind, with bytes behind its header and strings.
fn structure(kind: u8, handle: u16, fields: &[u8], strings: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![kind, u8::try_from(fields.len() + 4).unwrap()];
    bytes.extend(handle.to_le_bytes());
    bytes.extend(fields);
    for string in strings {
        bytes.extend(*string);
        bytes.push(0);
    }
    bytes.push(0);
    if strings.is_empty() {
        bytes.push(0);
    }
    bytes
}

/// A memory device of 16 GiB, DDR3 at 1600 MHz, with its fields to the end of version 2.6.
fn device(array: u16, size: u16) -> Vec<u8> {
    let mut fields = vec![0; 0x1c - 4];
    let mut put = |at: usize, bytes: &[u8]| fields[at - 4..at - 4 + bytes.len()].copy_from_slice(bytes);
    put(4, &array.to_le_bytes());
    put(0x0c, &size.to_le_bytes());
    put(0x0e, &[9]);
    put(0x10, &[1]);
    put(0x12, &[0x18]);
    put(0x13, &(1_u16 << 7).to_le_bytes());
    put(0x15, &1600_u16.to_le_bytes());
    put(0x17, &[2, 3]);
    put(0x1a, &[4]);
    structure(17, 0x1100, &fields, &[b"DIMM_A1", b"00CE\xff00B3", b"88BDD1AA", b"M393B2G70DB0-YK0  "])
}

#[test]
fn a_bank_is_described_as_lshw_describes_it() {
    let table = Table::parse(&device(0x1000, 0x4000));
    let expected = Bank {
        array: 0,
        bytes: Some(16 << 30),
        clock: Some(1600),
        description: "DIMM DDR3 Synchronous 1600 MHz (0.6 ns)".to_owned(),
        vendor: Some("00CE\u{fffd}00B3".to_owned()),
        product: Some("M393B2G70DB0-YK0".to_owned()),
        serial: Some("88BDD1AA".to_owned()),
        slot: Some("DIMM_A1".to_owned()),
    };
    assert_eq!(banks(&table), [expected]);
    let empty = &banks(&Table::parse(&device(0x1000, 0)))[0];
    assert_eq!((empty.bytes, empty.clock), (None, None));
    assert_eq!(empty.description, "DIMM DDR3 Synchronous [empty]");
}

#[test]
fn sizes_are_in_mib_in_kib_or_further_on() {
    let size = |word: u16| banks(&Table::parse(&device(1, word)))[0].bytes;
    assert_eq!(size(0x8200), Some(512 << 10));
    assert_eq!(size(0xffff), None);
    assert_eq!(size(0x7fff), None, "the structure ends before its extended size");
    let mut fields = vec![0; 0x20 - 4];
    fields[0x0c - 4..0x0e - 4].copy_from_slice(&0x7fff_u16.to_le_bytes());
    fields[0x1c - 4..].copy_from_slice(&(64_u32 << 10).to_le_bytes());
    assert_eq!(banks(&Table::parse(&structure(17, 1, &fields, &[])))[0].bytes, Some(64 << 30));
}

#[test]
fn memory_that_is_not_the_systems_is_left_out_and_arrays_are_counted() {
    let array = |handle, usage| structure(16, handle, &[3, usage, 3], &[]);
    let table = [
        array(0x10, 3),
        array(0x11, 5),
        array(0x12, 3),
        device(0x12, 1),
        device(0x11, 2),
        device(0x10, 3),
        device(0x77, 4),
    ];
    let found: Vec<_> =
        banks(&Table::parse(&table.concat())).iter().map(|bank| (bank.array, bank.bytes)).collect();
    assert_eq!(found, [(1, Some(1 << 20)), (0, Some(3 << 20)), (2, Some(4 << 20))]);
}

#[test]
fn processors_are_those_in_sockets() {
    let processor = |status: u8, cores: u8| {
        let mut fields = vec![0; 0x30 - 4];
        fields[0x12 - 4..0x14 - 4].copy_from_slice(&100_u16.to_le_bytes());
        fields[0x16 - 4..0x18 - 4].copy_from_slice(&2400_u16.to_le_bytes());
        fields[0x18 - 4] = status;
        fields[0x23 - 4..0x26 - 4].copy_from_slice(&[cores, cores, 0]);
        fields[0x2a - 4..0x2e - 4].copy_from_slice(&[0x2c, 1, 0xff, 0xff]);
        structure(4, 0x400, &fields, &[])
    };
    let table = [processor(0x41, 4), processor(0, 4), processor(0x41, 0xff)].concat();
    let expected = |cores, enabled| Processor {
        handle: 0x400,
        speed: Some(2400),
        clock: Some(100),
        cores,
        enabled,
        threads: None,
    };
    assert_eq!(processors(&Table::parse(&table)), [expected(Some(4), Some(4)), expected(Some(300), None)]);
}

#[test]
fn what_is_broken_ends_the_table() {
    let sound = structure(1, 1, &[1, 2], &[b"a", b"b"]);
    for broken in [
        &b"\x01"[..],
        b"\x11\x03\0\0\0\0",
        b"\x11\xff\0\0\0\0",
        b"\x11\x04\0\0no end of the string",
        b"\x11\x04\0\0",
        b"\x7f\x04\0\0\0\0\x01\x04\0\0\0\0",
    ] {
        let table = Table::parse(&[&sound[..], broken].concat());
        assert_eq!(table.structures.len(), 1, "{broken:?}");
        assert_eq!(table.structures[0].string(5), Some("b"));
    }
}

#[test]
fn strings_that_are_not_there_are_none_and_every_cut_is_survived() {
    let bytes = [structure(1, 1, &[9, 0], &[b" "]), device(1, 1), structure(4, 4, &[0; 9], &[])].concat();
    let first = &Table::parse(&bytes).structures[0];
    assert_eq!((first.string(4), first.string(5), first.string(77)), (None, None, None));
    for cut in 0..bytes.len() {
        let table = Table::parse(&bytes[..cut]);
        assert!(banks(&table).len() + processors(&table).len() <= 2);
    }
}

#[test]
fn any_byte_may_be_any_other() {
    let bytes =
        [structure(16, 1, &[3, 3, 3], &[]), device(1, 0x7fff), structure(4, 4, &[0xff; 0x30], &[b"x"])];
    let bytes = bytes.concat();
    for at in 0..bytes.len() {
        for byte in 0..=255 {
            let mut bytes = bytes.clone();
            bytes[at] = byte;
            let table = Table::parse(&bytes);
            assert!(banks(&table).len() + processors(&table).len() <= 3, "{byte} at {at}");
        }
    }
}
