//! A file of ours, read line by line.
//! Takes a path; gives one line at a time, and what it means. Never holds more than one of them, nor one without an end.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _, Seek as _},
    path::Path,
};

use serde::Deserialize;

use super::error::{Result, StoreError};
use crate::files;

/// Bytes of a line: a definition, its names and escapes.
const LINE: u64 = 4 * 1024 * 1024;

/// Lines of a file of ours, one at a time.
pub(super) struct Lines {
    file: BufReader<File>,
    /// Where the next one begins.
    pub(super) place: u64,
    line: String,
}

impl Lines {
    /// None: there is no such file.
    pub(super) fn open(path: &Path) -> Result<Option<Self>> {
        match files::open_regular(path) {
            Ok(file) => {
                Ok(Some(Self { file: BufReader::with_capacity(64 * 1024, file), place: 0, line: String::new() }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn header<T: serde::de::DeserializeOwned>(&mut self) -> Result<T> {
        let text = self.next()?.ok_or(StoreError::Empty)?;
        Ok(serde_json::from_str(text)?)
    }

    pub(super) fn next(&mut self) -> Result<Option<&str>> {
        self.line.clear();
        let read = (&mut self.file).take(LINE).read_line(&mut self.line)? as u64;
        self.place += read;
        if read == 0 {
            return Ok(None);
        }
        match self.line.strip_suffix('\n') {
            Some(line) => Ok(Some(line)),
            None => Err(StoreError::Endless),
        }
    }

    pub(super) fn go_to(&mut self, place: u64) -> io::Result<()> {
        self.file.seek(io::SeekFrom::Start(place))?;
        self.place = place;
        Ok(())
    }
}

pub(super) fn parsed<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T> {
    Ok(serde_json::from_str(text)?)
}
