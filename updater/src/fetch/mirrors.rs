//! Several sites with the same objects: what one does not give, the next is asked for.
//!
//! They are asked in the order in which they were named. One that fails comes last from then on; within a
//! body the next goes on where it broke, as content is held to its digest wherever it comes from.

use std::cell::Cell;
use std::error::Error;
use std::io::{self, Read};
use std::ops::Range;
use std::rc::Rc;

use super::http::PROGRESS;
use super::meter::limit;
use super::{Fetch, FetchError, Meter};
use crate::failure::chain;

/// One of several sites.
pub struct Site<'a> {
    name: String,
    fetch: Box<dyn Fetch + 'a>,
    failed: Cell<bool>,
}

impl<'a> Site<'a> {
    pub(super) fn new(name: String, fetch: Box<dyn Fetch + 'a>) -> Self {
        Self { name, fetch, failed: Cell::new(false) }
    }

    /// Its address, as it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Has it asked last from now on.
    pub fn set_back(&self) {
        self.failed.set(true);
    }
}

impl Fetch for Site<'_> {
    fn get(&self, path: &str, limit: u64) -> Result<Vec<u8>, FetchError> {
        self.fetch.get(path, limit)
    }

    fn open(&self, path: &str, range: Option<Range<u64>>) -> Result<Box<dyn Read + '_>, FetchError> {
        self.fetch.open(path, range)
    }
}

/// A body, and the site that it comes from.
type Found<'m> = (&'m Site<'m>, Box<dyn Read + 'm>);

/// All sites of a machine.
pub(super) struct Mirrors<'a> {
    /// At least one.
    sites: Vec<Site<'a>>,
    /// Which of them gave the last body.
    last: Cell<usize>,
    meter: Rc<Meter<'a>>,
}

impl<'a> Mirrors<'a> {
    pub(super) fn new(sites: Vec<Site<'a>>, meter: Rc<Meter<'a>>) -> Self {
        Self { sites, last: Cell::new(0), meter }
    }

    /// The first site that gives an answer. That something is not there is believed when all say so that did
    /// not fail before.
    fn any<'m>(
        &'m self,
        ask: &mut dyn FnMut(&'m Site<'a>) -> Result<(), FetchError>,
    ) -> Result<&'m Site<'a>, FetchError> {
        let failed: Vec<bool> = self.sites.iter().map(|site| site.failed.get()).collect();
        let (mut missing, mut fault) = (None, None);
        for turn in [false, true] {
            for (site, _) in self.sites.iter().zip(&failed).filter(|(_, failed)| **failed == turn) {
                if turn && missing.is_some() {
                    break;
                }
                match ask(site) {
                    Ok(()) => {
                        site.failed.set(false);
                        return Ok(site);
                    }
                    Err(e @ FetchError::Limit(_)) => return Err(e),
                    Err(e) if e.is_missing() => missing = missing.or(Some(e)),
                    Err(e) => {
                        self.set_back(site, &e);
                        fault = fault.or(Some(e));
                    }
                }
            }
        }
        Err(fault.or(missing).expect("there is a site"))
    }

    /// Opens it at whichever site has it.
    fn open_any(&self, path: &str, range: Option<&Range<u64>>) -> Result<Found<'_>, FetchError> {
        let mut stream: Option<Box<dyn Read + '_>> = None;
        let site =
            self.any(&mut |site| site.open(path, range.cloned()).map(|opened| stream = Some(opened)))?;
        self.last.set(self.sites.iter().position(|other| std::ptr::eq(other, site)).unwrap_or(0));
        Ok((site, stream.expect("it was opened")))
    }

    fn set_back(&self, site: &Site<'_>, why: &dyn Error) {
        site.set_back();
        if self.sites.len() > 1 {
            self.meter.note(&format!("{}; {} is asked last from now on", chain(why), site.name));
        }
    }
}

impl Fetch for Mirrors<'_> {
    fn get(&self, path: &str, limit: u64) -> Result<Vec<u8>, FetchError> {
        let mut bytes = Vec::new();
        self.any(&mut |site| site.get(path, limit).map(|found| bytes = found))?;
        Ok(bytes)
    }

    fn open(&self, path: &str, range: Option<Range<u64>>) -> Result<Box<dyn Read + '_>, FetchError> {
        let (site, stream) = self.open_any(path, range.as_ref())?;
        let (path, turns) = (path.to_owned(), 0);
        let mut body = Carried { from: self, path, range, came: 0, fresh: 0, turns, site, stream };
        Ok(super::stream(move |buffer| body.read(buffer)))
    }

    fn sites(&self) -> &[Site<'_>] {
        &self.sites
    }

    fn doubt(&self, why: &dyn Error) {
        self.set_back(&self.sites[self.last.get()], why);
    }

    fn allows(&self, bytes: u64) -> Result<(), FetchError> {
        Ok(self.meter.allows(bytes)?)
    }
}

/// A body that another site carries on when one fails.
struct Carried<'m> {
    from: &'m Mirrors<'m>,
    path: String,
    range: Option<Range<u64>>,
    /// Bytes that were handed on.
    came: u64,
    /// Those since a site failed.
    fresh: u64,
    /// How many sites failed without bringing much.
    turns: usize,
    site: &'m Site<'m>,
    stream: Box<dyn Read + 'm>,
}

impl Carried<'_> {
    /// Has another site go on after `fault`.
    fn carry_on(&mut self, fault: io::Error) -> io::Result<()> {
        self.turns = if self.fresh < PROGRESS { self.turns + 1 } else { 1 };
        self.fresh = 0;
        if limit(&fault).is_some() || self.turns >= self.from.sites.len() {
            return Err(fault);
        }
        self.from.set_back(self.site, &fault);
        let rest = self.range.as_ref().map(|range| range.start + self.came..range.end);
        let carried = self.from.open_any(&self.path, rest.as_ref());
        (self.site, self.stream) = carried.map_err(FetchError::into_io)?;
        if rest.is_none() {
            io::copy(&mut (&mut self.stream).take(self.came), &mut io::sink())?;
        }
        Ok(())
    }
}

impl Carried<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.stream.read(buffer) {
                Ok(n) => {
                    self.came += n as u64;
                    self.fresh += n as u64;
                    return Ok(n);
                }
                Err(fault) => self.carry_on(fault)?,
            }
        }
    }
}
