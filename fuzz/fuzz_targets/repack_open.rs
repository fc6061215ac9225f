#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::target("repack_open")(data));
