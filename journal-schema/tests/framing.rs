//! Frames: what a store reads back, whole, cut off or damaged.

mod common;

use common::*;
use journal_schema::{
    DecodeError, Digest, EncodeError, FrameError, Frames, MAGIC, MAX_BODY, OVERHEAD, Payload, Record, SchemaVersion,
    UnixMillis,
};

fn record(reason: &str) -> Record {
    Record::next(None, RUN, UnixMillis(1), Payload::Interrupted { reason: reason.into() })
}

/// Puts a right digest at the end of a frame that was tampered with.
fn reseal(frame: &mut [u8]) {
    let end = frame.len() - 32;
    let digest = Digest::of(&frame[..end]);
    frame[end..].copy_from_slice(&digest.0);
}

#[test]
fn layout() {
    let frame = record("x").encode().unwrap();
    assert_eq!(frame[..4], MAGIC);
    assert_eq!(u32::from_le_bytes(frame[4..8].try_into().unwrap()) as usize, frame.len() - OVERHEAD);
    assert_eq!(frame[8..10], SchemaVersion::CURRENT.0.to_le_bytes(), "the version comes first");
    let (covered, digest) = frame.split_at(frame.len() - 32);
    assert_eq!(digest, Digest::of(covered).0);
    assert_eq!(digest, record("x").digest().0);
    assert!(std::str::from_utf8(&MAGIC[..1]).is_err(), "no text holds the magic");
}

#[test]
fn back_again() {
    for record in verified().records {
        assert_eq!(Record::decode(&record.encode().unwrap()), Ok(record));
    }
}

#[test]
fn too_large() {
    let room = MAX_BODY - (record("").encode().unwrap().len() - OVERHEAD);
    let largest = record(&"x".repeat(room));
    assert_eq!(Record::decode(&largest.encode().unwrap()).as_ref(), Ok(&largest));
    let larger = record(&"x".repeat(room + 1));
    assert_eq!(larger.encode(), Err(EncodeError::TooLarge { bytes: MAX_BODY as u64 + 1 }));
    assert_eq!(Record::from_json(&larger.to_json()), Err(DecodeError::Length { found: MAX_BODY + 1 }));
}

#[test]
fn other_versions_are_told_before_the_rest_is_looked_at() {
    let mut frame = record("x").encode().unwrap();
    frame.drain(10..frame.len() - 32);
    frame[4..8].copy_from_slice(&2u32.to_le_bytes());
    frame[8..10].copy_from_slice(&7u16.to_le_bytes());
    reseal(&mut frame);
    let too_new = DecodeError::TooNew { found: SchemaVersion(7), current: SchemaVersion::CURRENT };
    assert_eq!(Record::decode(&frame), Err(too_new.clone()));
    frame[8..10].copy_from_slice(&0u16.to_le_bytes());
    reseal(&mut frame);
    assert!(matches!(Record::decode(&frame), Err(DecodeError::TooOld { found: SchemaVersion(0), .. })));
    assert_eq!(Record::from_json("{\"version\":7,\"new\":{}}"), Err(too_new));
}

#[test]
fn every_version_has_a_reader() {
    for version in 1..=SchemaVersion::CURRENT.0 {
        assert!(SchemaVersion(version).reader().is_some());
    }
    assert_eq!(SchemaVersion(SchemaVersion::CURRENT.0 + 1).reader(), None);
}

#[test]
fn nothing_may_be_left_over() {
    let mut frame = record("x").encode().unwrap();
    frame.push(0);
    assert_eq!(Record::decode(&frame), Err(DecodeError::Trailing { bytes: 1 }));
    frame.pop();
    frame.insert(frame.len() - 32, 0);
    let body = (frame.len() - OVERHEAD) as u32;
    frame[4..8].copy_from_slice(&body.to_le_bytes());
    reseal(&mut frame);
    assert!(matches!(Record::decode(&frame), Err(DecodeError::Contents { .. })));
}

#[test]
fn cut_off_at_every_byte() {
    let history = fenced();
    let bytes = history.frames();
    let mut ends = vec![0];
    for record in &history.records {
        ends.push(ends.last().unwrap() + record.encode().unwrap().len());
    }
    for cut in 0..=bytes.len() {
        let read: Vec<_> = Frames::new(&bytes[..cut]).collect();
        let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
        let torn = cut - ends[whole];
        for ((offset, found), (end, record)) in read.iter().zip(ends.iter().zip(&history.records)).take(whole) {
            assert_eq!((offset, found), (end, &Ok(record.clone())));
        }
        match torn {
            0 => assert_eq!(read.len(), whole),
            have => assert_eq!(read[whole..], [(ends[whole], Err(FrameError::Torn { have }))], "cut at {cut}"),
        }
    }
}

#[test]
fn damage_in_the_middle_costs_that_frame_only() {
    let history = fenced();
    let frames: Vec<_> = history.records.iter().map(|r| r.encode().unwrap()).collect();
    let start = frames[0].len();
    let end = start + frames[1].len();
    for at in start..end {
        for flip in [0x01, 0x80, 0xff] {
            let mut bytes = frames.concat();
            bytes[at] ^= flip;
            let read: Vec<_> = Frames::new(&bytes).collect();
            let damaged: Vec<_> = read.iter().filter(|(_, r)| r.is_err()).collect();
            let [(from, Err(FrameError::Damaged { until, .. }))] = damaged[..] else {
                panic!("byte {at} flipped by {flip:#x}: {damaged:?}");
            };
            assert_eq!((*from, *until), (start, end), "byte {at} flipped by {flip:#x}");
            assert_eq!(read.len(), frames.len());
        }
    }
}

#[test]
fn damage_in_the_last_frame_is_not_taken_for_a_cut() {
    let history = fenced();
    let bytes = history.frames();
    let start = bytes.len() - history.records.last().unwrap().encode().unwrap().len();
    for at in start..bytes.len() {
        for bit in 0..8 {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << bit;
            let (offset, last) = Frames::new(&bytes).last().unwrap();
            assert!(matches!(last, Err(FrameError::Damaged { .. })), "byte {at} bit {bit}: {last:?}");
            assert_eq!(offset, start);
        }
    }
}

#[test]
fn foreign_bytes_between_frames() {
    let (first, second) = (record("first").encode().unwrap(), record("second").encode().unwrap());
    for junk in [&b"\0\0\0\0\0"[..], &MAGIC, b"\xf5hmn\x05\0\0\0hello", b"\xf5hmn\xff\xff\xff\xff"] {
        let bytes = [&first, junk, &second].concat();
        let read: Vec<_> = Frames::new(&bytes).collect();
        assert_eq!(read.len(), 3, "{read:?}");
        assert!(matches!(read[1], (at, Err(FrameError::Damaged { .. })) if at == first.len()));
        assert_eq!(read[2], (first.len() + junk.len(), Ok(record("second"))));
    }
}

#[test]
fn damage_and_then_a_cut() {
    let frames: Vec<_> = ["a", "b", "c", "d"].map(|r| record(r).encode().unwrap()).to_vec();
    let mut bytes = frames.concat();
    bytes[frames[0].len() + 9] ^= 4;
    bytes.truncate(bytes.len() - 3);
    let read: Vec<_> = Frames::new(&bytes).map(|(_, r)| r).collect();
    let [Ok(_), Err(FrameError::Damaged { .. }), Ok(_), Err(FrameError::Torn { have })] = &read[..] else {
        panic!("{read:?}");
    };
    assert_eq!(*have, frames[3].len() - 3);
}

#[test]
fn a_reader_knows_where_the_next_frame_would_begin() {
    let mut bytes = record("a").encode().unwrap();
    let end = bytes.len();
    bytes.extend_from_slice(&MAGIC[..2]);
    let mut frames = Frames::new(&bytes);
    assert!(frames.next().is_some_and(|(_, r)| r.is_ok()));
    assert_eq!(frames.position(), end);
    assert_eq!(frames.next(), Some((end, Err(FrameError::Torn { have: 2 }))));
    assert_eq!(frames.next(), None);
}
