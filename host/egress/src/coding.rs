//! Answers that a gateway, or a proxy before it, compressed.
//! Takes the bytes as they came, whatever their pieces; gives what they stand for, piece by piece. Never makes more than one
//! [`PIECE`] at a time, so that a small answer cannot become a large one before somebody counted.

use std::{fmt, io::Write as _};

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use bytes::{Buf as _, Bytes};
use flate2::write::{DeflateDecoder, GzDecoder, ZlibDecoder};
use http::{HeaderMap, HeaderValue, header};

/// What is sent as `Accept-Encoding`: exactly what [`Decoder`] understands.
pub(super) const ACCEPTED: HeaderValue = HeaderValue::from_static("gzip, deflate, br");

/// Bytes that one step makes.
const PIECE: usize = 32 * 1024;
/// Members of one gzipped answer. Each costs a decoder, whatever is in it: forty megabytes of empty ones would be two million.
const MEMBERS: usize = 10_000;
/// Codings on top of each other; two are somebody's mistake already.
const DEEPEST: usize = 3;

/// A coding that is understood (RFC 9110 section 8.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Deflate,
    Brotli,
}

impl fmt::Display for Coding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
        })
    }
}

/// The codings of an answer, in the order in which they were applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Codings {
    known: Vec<Coding>,
    /// The first name that is not understood. People write `utf-8` there, or `none`; other clients take what comes as it is, so it counts
    /// only where what comes is no text.
    unknown: Option<String>,
}

impl Codings {
    /// Nothing is to be undone, nor to be looked at.
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty() && self.unknown.is_none()
    }
}

/// What an answer says of its codings; the names of too many.
pub(super) fn codings(headers: &HeaderMap) -> Result<Codings, String> {
    let (mut found, mut unknown) = (Vec::new(), None);
    for value in headers.get_all(header::CONTENT_ENCODING) {
        for name in String::from_utf8_lossy(value.as_bytes()).split(',').map(str::trim) {
            found.push(match name.to_ascii_lowercase().as_str() {
                "" | "identity" => continue,
                "gzip" | "x-gzip" => Coding::Gzip,
                "deflate" => Coding::Deflate,
                "br" => Coding::Brotli,
                _ => {
                    unknown.get_or_insert_with(|| pflow_gateway_base::scrub::line(name, 40));
                    continue;
                }
            });
        }
    }
    if found.len() > DEEPEST {
        let names: Vec<_> = found.iter().take(DEEPEST + 1).map(ToString::to_string).collect();
        return Err(names.join(", "));
    }
    Ok(Codings { known: found, unknown })
}

/// What came is not what its codings say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotCoded {
    /// This one, which is understood.
    Known(Coding),
    /// One that is not understood, and what came is no text.
    Unknown(String),
}

/// Undoes the codings of one answer.
pub(super) struct Decoder {
    /// The outermost first.
    stages: Vec<Stage>,
    /// What comes as it is, where every coding is unknown.
    plain: Option<Bytes>,
    unknown: Option<String>,
    /// Bytes at the beginning that are still to be looked at.
    unseen: usize,
    packed: Packed,
}

/// What becomes of an answer that is packed in a way that nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packed {
    Fails,
    /// What a refusal says is worth less than that it is one.
    IsLeftOut,
}

/// Bytes that tell packed data from text: the magic numbers of all formats are within.
const BEGINNING: usize = 8;

impl Decoder {
    /// For the codings of one answer.
    pub(super) fn new(codings: Codings, packed: Packed) -> Self {
        let stages = codings.known.iter().rev().map(|coding| Stage::new(*coding)).collect();
        let unseen = codings.unknown.as_ref().map_or(0, |_| BEGINNING);
        Self { stages, plain: None, unknown: codings.unknown, unseen, packed }
    }

    /// Takes what came. Everything before it has to be out.
    pub(super) fn push(&mut self, bytes: Bytes) {
        match self.stages.first_mut() {
            Some(first) => first.input = bytes,
            None => self.plain = Some(bytes),
        }
    }

    /// The next piece; none when more has to come first.
    pub(super) fn pull(&mut self) -> Result<Option<Bytes>, NotCoded> {
        let piece = match pull(&mut self.stages) {
            Ok(piece) => piece.or_else(|| self.plain.take().filter(|bytes| !bytes.is_empty())),
            Err((coding, NotDecoded::Broken)) => return self.packed(NotCoded::Known(coding)),
            Err((coding, NotDecoded::Members)) => {
                return Err(NotCoded::Unknown(format!("{coding} in more than {MEMBERS} parts")));
            }
        };
        let (Some(bytes), true) = (&piece, self.unseen > 0) else { return Ok(piece) };
        let beginning = bytes.get(..self.unseen.min(bytes.len())).unwrap_or_default();
        self.unseen = self.unseen.saturating_sub(beginning.len());
        if beginning.iter().all(|byte| is_of_text(*byte)) {
            Ok(piece)
        } else {
            self.packed(NotCoded::Unknown(String::new()))
        }
    }

    /// What came is no text. Behind a coding that is not understood nothing is what it says.
    fn packed(&mut self, problem: NotCoded) -> Result<Option<Bytes>, NotCoded> {
        match (&self.unknown, self.packed) {
            (None, _) => Err(problem),
            (Some(name), Packed::Fails) => Err(NotCoded::Unknown(name.clone())),
            (Some(_), Packed::IsLeftOut) => {
                self.stages = vec![Stage { machine: Machine::Ended, ..Stage::new(Coding::Gzip) }];
                Ok(None)
            }
        }
    }
}

/// Whether JSON or an event stream can begin with it; a byte order mark is what some write before.
fn is_of_text(byte: u8) -> bool {
    byte.is_ascii_graphic() || byte.is_ascii_whitespace() || [0xef, 0xbb, 0xbf].contains(&byte)
}

fn pull(stages: &mut [Stage]) -> Result<Option<Bytes>, (Coding, NotDecoded)> {
    let Some((last, before)) = stages.split_last_mut() else { return Ok(None) };
    loop {
        let piece = last.step().map_err(|why| (last.coding, why))?;
        if !piece.is_empty() {
            return Ok(Some(piece));
        }
        if last.input.is_empty() {
            match pull(before)? {
                Some(bytes) => last.input = bytes,
                None => return Ok(None),
            }
        }
    }
}

/// One coding, undone.
struct Stage {
    coding: Coding,
    input: Bytes,
    machine: Machine,
    /// How often it began.
    members: usize,
}

enum Machine {
    /// The first bytes tell which it is; a single one that came alone.
    Begin(Option<u8>),
    Gzip(GzDecoder<Vec<u8>>),
    Zlib(ZlibDecoder<Vec<u8>>),
    Deflate(DeflateDecoder<Vec<u8>>),
    Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>),
    /// What comes behind the end counts for nothing, as with other clients.
    Ended,
}

enum NotDecoded {
    /// It is not what its coding says.
    Broken,
    /// There are more members than anybody needs.
    Members,
}

impl Stage {
    fn new(coding: Coding) -> Self {
        Self { coding, input: Bytes::new(), machine: Machine::Begin(None), members: 0 }
    }

    /// One step: takes some input, gives at most about one [`PIECE`].
    fn step(&mut self) -> Result<Bytes, NotDecoded> {
        let input = &mut self.input;
        if input.is_empty() && !matches!(self.machine, Machine::Brotli(_)) {
            return Ok(Bytes::new());
        }
        match &mut self.machine {
            Machine::Begin(held) => {
                let Some(machine) = begin(self.coding, held, input) else { return Ok(Bytes::new()) };
                self.members += 1;
                if self.members > MEMBERS {
                    return Err(NotDecoded::Members);
                }
                self.machine = machine?;
                Ok(Bytes::new())
            }
            Machine::Gzip(decoder) => {
                let (taken, piece) = written(decoder, input, GzDecoder::get_mut)?;
                if taken == 0 && piece.is_empty() {
                    // The end. Some servers send a member for every event (RFC 1952 section 2.2).
                    self.machine = if input.first() == Some(&0x1f) { Machine::Begin(None) } else { Machine::Ended };
                }
                Ok(piece)
            }
            Machine::Zlib(decoder) => {
                let (taken, piece) = written(decoder, input, ZlibDecoder::get_mut)?;
                if taken == 0 && piece.is_empty() {
                    self.machine = Machine::Ended;
                }
                Ok(piece)
            }
            Machine::Deflate(decoder) => {
                let (taken, piece) = written(decoder, input, DeflateDecoder::get_mut)?;
                if taken == 0 && piece.is_empty() {
                    self.machine = Machine::Ended;
                }
                Ok(piece)
            }
            Machine::Brotli(state) => {
                let mut out = vec![0; PIECE];
                let (mut left, mut taken, mut room, mut made, mut total) = (input.len(), 0, out.len(), 0, 0);
                let result = BrotliDecompressStream(
                    &mut left, &mut taken, input, &mut room, &mut made, &mut out, &mut total, state,
                );
                input.advance(taken.min(input.len()));
                out.truncate(made);
                match result {
                    BrotliResult::ResultSuccess => self.machine = Machine::Ended,
                    BrotliResult::ResultFailure => return Err(NotDecoded::Broken),
                    BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
                }
                Ok(out.into())
            }
            Machine::Ended => {
                input.clear();
                Ok(Bytes::new())
            }
        }
    }
}

/// Which machine it takes. None: one byte does not tell.
fn begin(coding: Coding, held: &mut Option<u8>, input: &mut Bytes) -> Option<Result<Machine, NotDecoded>> {
    match coding {
        Coding::Gzip => Some(Ok(Machine::Gzip(GzDecoder::new(Vec::new())))),
        Coding::Brotli => {
            let (bytes, words, codes) = <(StandardAlloc, StandardAlloc, StandardAlloc)>::default();
            // Windows of RFC 7932 only: at most 16 MiB.
            Some(Ok(Machine::Brotli(Box::new(BrotliState::new_strict(bytes, words, codes)))))
        }
        Coding::Deflate => {
            // "deflate" is zlib (RFC 9110 section 8.4.1.2); some send it bare.
            let first = match held.take() {
                Some(first) => first,
                None if input.len() == 1 => {
                    *held = input.first().copied();
                    input.clear();
                    return None;
                }
                None => input.get_u8(),
            };
            let second = input.first().copied().unwrap_or_default();
            let is_zlib = first & 0x0f == 8 && (u16::from(first) << 8 | u16::from(second)).is_multiple_of(31);
            Some(if is_zlib {
                let mut decoder = ZlibDecoder::new(Vec::new());
                decoder.write_all(&[first]).map(|()| Machine::Zlib(decoder)).map_err(|_| NotDecoded::Broken)
            } else {
                let mut decoder = DeflateDecoder::new(Vec::new());
                decoder.write_all(&[first]).map(|()| Machine::Deflate(decoder)).map_err(|_| NotDecoded::Broken)
            })
        }
    }
}

/// One write into a decoder of flate2, which makes at most its own buffer of 32 KiB. What it took, and made.
fn written<W: std::io::Write>(
    decoder: &mut W,
    input: &mut Bytes,
    made: fn(&mut W) -> &mut Vec<u8>,
) -> Result<(usize, Bytes), NotDecoded> {
    let taken = decoder.write(input).map_err(|_| NotDecoded::Broken)?;
    input.advance(taken.min(input.len()));
    if input.is_empty() {
        // What it holds is whole events, which wait for nobody.
        decoder.flush().map_err(|_| NotDecoded::Broken)?;
    }
    Ok((taken, std::mem::take(made(decoder)).into()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use flate2::{
        Compression,
        write::{DeflateEncoder, GzEncoder, ZlibEncoder},
    };

    use super::*;

    /// `hello, hello, hello, hello\n` by Node's zlib.
    const BROTLI: &[u8] = &[
        0x1b, 0x1a, 0x00, 0xf8, 0x8d, 0x94, 0x6e, 0xde, 0x44, 0x09, 0x52, 0x86, 0xd6, 0x0a, 0x2c, 0x6c, 0x6f, 0x4a,
        0x91, 0x79, 0x22, 0x81, 0xbb, 0x5a, 0x00,
    ];

    fn coded(coding: Coding, text: &[u8]) -> Vec<u8> {
        match coding {
            Coding::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            Coding::Deflate => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            Coding::Brotli => BROTLI.to_vec(),
        }
    }

    fn bare(text: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn decoded(codings: &[Coding], bytes: &[u8], size: usize) -> Result<Vec<u8>, NotCoded> {
        undone(Codings { known: codings.to_vec(), unknown: None }, bytes, size)
    }

    fn undone(codings: Codings, bytes: &[u8], size: usize) -> Result<Vec<u8>, NotCoded> {
        let (mut decoder, mut all) = (Decoder::new(codings, Packed::Fails), Vec::new());
        for piece in bytes.chunks(size) {
            decoder.push(Bytes::copy_from_slice(piece));
            while let Some(made) = decoder.pull()? {
                assert!(made.len() <= 2 * PIECE, "{}", made.len());
                all.extend_from_slice(&made);
            }
        }
        Ok(all)
    }

    fn named(values: &[&'static str]) -> Result<Codings, String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::CONTENT_ENCODING, HeaderValue::from_static(value));
        }
        codings(&headers)
    }

    #[test]
    fn every_accepted_coding_is_undone_however_it_is_cut() {
        let text: Vec<u8> = (0..200_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        for (codings, bytes) in [
            (vec![Coding::Gzip], coded(Coding::Gzip, &text)),
            (vec![Coding::Deflate], coded(Coding::Deflate, &text)),
            (vec![Coding::Deflate], bare(&text)),
            (vec![Coding::Deflate, Coding::Gzip], coded(Coding::Gzip, &coded(Coding::Deflate, &text))),
        ] {
            for size in [1, 2, 3, 1000, bytes.len()] {
                assert!(decoded(&codings, &bytes, size).unwrap() == text, "{codings:?} in pieces of {size}");
            }
        }
        for size in 1..=BROTLI.len() {
            let text = decoded(&[Coding::Brotli], BROTLI, size).unwrap();
            assert_eq!(String::from_utf8(text).unwrap(), "hello, hello, hello, hello\n", "pieces of {size}");
        }
    }

    #[test]
    fn an_event_comes_out_as_soon_as_it_was_flushed() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        let mut decoder = Decoder::new(Codings { known: vec![Coding::Gzip], unknown: None }, Packed::Fails);
        for event in ["data: one\n\n", "data: two\n\n"] {
            encoder.write_all(event.as_bytes()).unwrap();
            encoder.flush().unwrap();
            decoder.push(std::mem::take(encoder.get_mut()).into());
            let mut seen = Vec::new();
            while let Some(piece) = decoder.pull().unwrap() {
                seen.extend_from_slice(&piece);
            }
            assert_eq!(String::from_utf8(seen).unwrap(), event);
        }
    }

    #[test]
    fn members_behind_each_other_are_one_answer_and_other_bytes_at_the_end_are_none() {
        let mut bytes = coded(Coding::Gzip, b"one ");
        bytes.extend(coded(Coding::Gzip, b"two"));
        bytes.extend([0; 100]);
        for size in [1, 7, bytes.len()] {
            assert_eq!(decoded(&[Coding::Gzip], &bytes, size).unwrap(), b"one two");
        }
    }

    #[test]
    fn more_members_than_anybody_needs_are_an_error() {
        let members = |count: usize| coded(Coding::Gzip, b"").repeat(count);
        assert_eq!(decoded(&[Coding::Gzip], &members(MEMBERS), 4096), Ok(Vec::new()));
        let refused = Err(NotCoded::Unknown("gzip in more than 10000 parts".to_owned()));
        assert_eq!(decoded(&[Coding::Gzip], &members(MEMBERS + 1), 4096), refused);
    }

    #[test]
    fn what_is_not_coded_so_is_an_error() {
        // Bare deflate finds a meaning in nearly everything.
        for coding in [Coding::Gzip, Coding::Brotli] {
            let text = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[]}}";
            assert_eq!(decoded(&[coding], text, 1000), Err(NotCoded::Known(coding)), "{coding}");
        }
    }

    #[test]
    fn a_bomb_comes_out_in_small_pieces() {
        let bomb = coded(Coding::Gzip, &vec![0; 20_000_000]);
        assert!(bomb.len() < 30_000);
        // `decoded` looks at the size of each.
        assert_eq!(decoded(&[Coding::Gzip], &bomb, bomb.len()).unwrap().len(), 20_000_000);
    }

    #[test]
    fn codings_are_read_as_they_are_written_and_others_are_named() {
        let known = |known: &[Coding]| Ok(Codings { known: known.to_vec(), unknown: None });
        let unknown =
            |known: &[Coding], name: &str| Ok(Codings { known: known.to_vec(), unknown: Some(name.to_owned()) });
        assert_eq!(named(&[]), known(&[]));
        assert_eq!(named(&["identity"]), known(&[]));
        assert_eq!(named(&["GZIP"]), known(&[Coding::Gzip]));
        assert_eq!(named(&["x-gzip, br", "deflate"]), known(&[Coding::Gzip, Coding::Brotli, Coding::Deflate]));
        assert_eq!(named(&["zstd"]), unknown(&[], "zstd"));
        assert_eq!(named(&["gzip, aws-chunked", "snappy"]), unknown(&[Coding::Gzip], "aws-chunked"));
        assert_eq!(named(&["gzip, gzip, gzip, gzip"]), Err("gzip, gzip, gzip, gzip".into()));
    }

    #[test]
    fn a_coding_that_nobody_knows_counts_only_where_what_comes_is_no_text() {
        let json = b"\xef\xbb\xbf {\"jsonrpc\":\"2.0\"}";
        let gzipped = coded(Coding::Gzip, json);
        let codings = |known: &[Coding]| Codings { known: known.to_vec(), unknown: Some("odd".to_owned()) };
        for size in [1, 3, 1000] {
            assert_eq!(undone(codings(&[]), json, size).unwrap(), json, "pieces of {size}");
            assert_eq!(undone(codings(&[]), b": beat\n\ndata: {}", size).unwrap(), b": beat\n\ndata: {}");
            assert_eq!(undone(codings(&[Coding::Gzip]), &gzipped, size).unwrap(), json);
            // zstd, snappy, xz, and what calls itself gzip inside of something else.
            for magic in [b"\x28\xb5\x2f\xfd\x04".as_slice(), b"\xff\x06\x00\x00sNaPpY", b"\xfd7zXZ\x00"] {
                let packed = [magic, &[0; 20]].concat();
                assert_eq!(undone(codings(&[]), &packed, size), Err(NotCoded::Unknown("odd".to_owned())));
                assert_eq!(undone(codings(&[Coding::Gzip]), &packed, size), Err(NotCoded::Unknown("odd".to_owned())));
            }
        }
        assert_eq!(undone(codings(&[]), b"", 1).unwrap(), b"");
    }
}
