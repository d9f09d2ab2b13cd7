#![no_main]
//! See the property.

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::mail_servers::property(data));
