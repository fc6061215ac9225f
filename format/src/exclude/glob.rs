//! Wildcards: `?`, `*`, `**`, `[...]`, and the backslash.
//!
//! `?`, `*` and classes never match a slash, `**` does. As in rsync, a backslash escapes only in a
//! pattern that has a wildcard; elsewhere it is a backslash. Matching is by bytes, without
//! recursion, in time linear in the path for each star.

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Byte(u8),
    AnyByte,
    Class {
        negated: bool,
        ranges: Vec<(u8, u8)>,
    },
    /// `*`
    Star,
    /// `**`, or more
    DeepStar,
}

/// A pattern text, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Glob {
    Literal(Vec<u8>),
    Wild(Vec<Token>),
}

/// Why a wildcard is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// `[` without `]`.
    #[error("`[` without `]`")]
    OpenClass,
    /// `[[:alpha:]]` and its like.
    #[error("`[:class:]` is not supported")]
    NamedClass,
    /// A backslash at the end.
    #[error("a backslash at the end escapes nothing")]
    Escape,
}

impl Glob {
    pub(super) fn parse(text: &str) -> Result<Self, GlobError> {
        if !text.contains(['*', '?', '[']) {
            return Ok(Self::Literal(text.as_bytes().to_vec()));
        }
        let mut bytes = text.bytes().peekable();
        let mut tokens = Vec::new();
        while let Some(byte) = bytes.next() {
            tokens.push(match byte {
                b'?' => Token::AnyByte,
                b'*' => {
                    let mut more = 0;
                    while bytes.next_if_eq(&b'*').is_some() {
                        more += 1;
                    }
                    if more > 0 { Token::DeepStar } else { Token::Star }
                }
                b'[' => class(&mut bytes)?,
                b'\\' => Token::Byte(bytes.next().ok_or(GlobError::Escape)?),
                other => Token::Byte(other),
            });
        }
        Ok(Self::Wild(tokens))
    }

    pub(super) fn matches(&self, text: &[u8]) -> bool {
        match self {
            Self::Literal(literal) => literal == text,
            Self::Wild(tokens) => wild(tokens, text),
        }
    }
}

/// What follows `[`, up to and with its `]`. A `]` right at the start is a member.
fn class(bytes: &mut std::iter::Peekable<std::str::Bytes<'_>>) -> Result<Token, GlobError> {
    let negated = bytes.next_if(|b| matches!(b, b'!' | b'^')).is_some();
    let mut ranges: Vec<(u8, u8)> = Vec::new();
    // The byte a following `-` would make the start of a range; a range itself starts none.
    let mut start = None;
    loop {
        let byte = bytes.next().ok_or(GlobError::OpenClass)?;
        match byte {
            b']' if !ranges.is_empty() => return Ok(Token::Class { negated, ranges }),
            b'[' if bytes.peek() == Some(&b':') => return Err(GlobError::NamedClass),
            b'-' if start.is_some() && bytes.peek().is_some_and(|b| *b != b']') => {
                let end = member(bytes.next(), bytes)?;
                // The start is a member by itself already.
                ranges.extend(start.take().map(|start| (start, end)));
            }
            byte => {
                let member = member(Some(byte), bytes)?;
                ranges.push((member, member));
                start = Some(member);
            }
        }
    }
}

fn member(byte: Option<u8>, rest: &mut impl Iterator<Item = u8>) -> Result<u8, GlobError> {
    match byte {
        Some(b'\\') => rest.next().ok_or(GlobError::OpenClass),
        Some(byte) => Ok(byte),
        None => Err(GlobError::OpenClass),
    }
}

impl Token {
    /// Whether it matches exactly this one byte.
    fn takes(&self, byte: u8) -> bool {
        match self {
            Self::Byte(own) => *own == byte,
            Self::AnyByte => byte != b'/',
            Self::Class { negated, ranges } => {
                byte != b'/' && ranges.iter().any(|(from, to)| (*from..=*to).contains(&byte)) != *negated
            }
            Self::Star | Self::DeepStar => false,
        }
    }
}

/// Where a star stands: the token after it, and the text it has not taken yet.
#[derive(Clone, Copy)]
struct Star {
    token: usize,
    at: usize,
}

/// Greedy from the left: a mismatch lets the last `*` take one byte more, and where it meets a
/// slash, the last `**`. Earlier stars never need to move: the later one can take what they leave.
fn wild(tokens: &[Token], text: &[u8]) -> bool {
    let (mut token, mut at) = (0, 0);
    let (mut shallow, mut deep): (Option<Star>, Option<Star>) = (None, None);
    loop {
        match tokens.get(token) {
            Some(Token::Star) => {
                token += 1;
                shallow = Some(Star { token, at });
                continue;
            }
            Some(Token::DeepStar) => {
                token += 1;
                (shallow, deep) = (None, Some(Star { token, at }));
                continue;
            }
            Some(one) if text.get(at).is_some_and(|byte| one.takes(*byte)) => {
                (token, at) = (token + 1, at + 1);
                continue;
            }
            None if at == text.len() => return true,
            Some(Token::Byte(_) | Token::AnyByte | Token::Class { .. }) | None => {}
        }
        if shallow.is_none_or(|star| matches!(text.get(star.at), None | Some(b'/'))) {
            shallow = None;
        }
        let Some(star) = shallow.as_mut().or(deep.as_mut()) else { return false };
        if star.at == text.len() {
            return false;
        }
        star.at += 1;
        (token, at) = (star.token, star.at);
    }
}
