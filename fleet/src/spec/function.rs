//! The functions of a value: `in`, `gt`, `ge`, `lt`, `le`, `range`, `network`, `regexp`, `and`, `or`, `not`.
//!
//! Arguments are separated by commas; within parentheses and quotes a comma is none, and a parenthesis in quotes neither.
//! Quotes around an argument go. `and` and `or` take functions of the same value, one or more, `not` takes one. A value
//! that is no number is neither greater nor less; one that is no address is in no network. Regular expressions are
//! searched for, not anchored, in the syntax of the crate `regex`, which takes linear time whatever the value.

use std::net::IpAddr;

use regex::{Regex, RegexBuilder};

/// Calls in calls in calls: no more than this.
const DEEPEST: usize = 16;
/// Memory of a compiled regular expression, in bytes.
const REGEX: usize = 1 << 20;

/// How the functions are called.
const NAMES: [&str; 11] = ["in", "gt", "ge", "lt", "le", "range", "network", "regexp", "and", "or", "not"];

/// Whether a text that is no function begins like one.
pub(super) fn begins(text: &str) -> bool {
    text.split_once('(').is_some_and(|(name, _)| NAMES.contains(&name.trim()))
}

/// A function of a value.
#[derive(Clone, Debug)]
pub enum Function {
    /// Equal to one of these.
    In(Vec<String>),
    /// Greater than this number.
    Gt(f64),
    /// Greater than this number, or equal.
    Ge(f64),
    /// Less than this number.
    Lt(f64),
    /// Less than this number, or equal.
    Le(f64),
    /// Between these numbers, or equal to one of them.
    Range(f64, f64),
    /// An address of this network: its first address and the bits that count.
    Network(IpAddr, u32),
    /// Found in the value.
    Regexp(Regex),
    /// All hold.
    And(Vec<Function>),
    /// One holds at least.
    Or(Vec<Function>),
    /// It does not hold.
    Not(Box<Function>),
}

/// Why a call is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FunctionError {
    /// Too few or too many arguments.
    #[error("{name} takes {takes}")]
    Arguments {
        /// The function.
        name: &'static str,
        /// What it takes.
        takes: &'static str,
    },
    /// Not a number.
    #[error("{0} is no number")]
    Number(String),
    /// Not a network.
    #[error("{0} is no network such as 10.0.0.0/8")]
    Network(String),
    /// Not a regular expression.
    #[error("{text} is no regular expression here: {reason}")]
    Regexp {
        /// What was written.
        text: String,
        /// What the reader of regular expressions says.
        reason: String,
    },
    /// An argument of `and`, `or` or `not` is something else.
    #[error("{0} is no function")]
    NoFunction(String),
    /// Calls in calls without end.
    #[error("nested deeper than {DEEPEST}")]
    Deep,
    /// Quotes or parentheses are left open.
    #[error("a quote or parenthesis is not closed")]
    Open,
}

impl Function {
    /// Reads a call; `None` if the text is none of a function.
    ///
    /// # Errors
    /// [`FunctionError`] if it is the call of a function and its arguments cannot be.
    pub fn read(text: &str) -> Result<Option<Self>, FunctionError> {
        read(text, 0)
    }

    /// What it says of a value.
    #[must_use]
    pub fn holds(&self, value: &str) -> bool {
        let number = |holds: &dyn Fn(f64) -> bool| number(value).is_ok_and(holds);
        match self {
            Self::In(texts) => texts.iter().any(|text| text == value),
            Self::Gt(bound) => number(&|value| value > *bound),
            Self::Ge(bound) => number(&|value| value >= *bound),
            Self::Lt(bound) => number(&|value| value < *bound),
            Self::Le(bound) => number(&|value| value <= *bound),
            Self::Range(low, high) => number(&|value| *low <= value && value <= *high),
            Self::Network(first, bits) => {
                value.parse().is_ok_and(|value| network(value, *bits) == Some(*first))
            }
            Self::Regexp(regex) => regex.is_match(value),
            Self::And(functions) => functions.iter().all(|function| function.holds(value)),
            Self::Or(functions) => functions.iter().any(|function| function.holds(value)),
            Self::Not(function) => !function.holds(value),
        }
    }
}

fn read(text: &str, depth: usize) -> Result<Option<Function>, FunctionError> {
    let Some((name, inner)) = text.strip_suffix(')').and_then(|call| call.split_once('(')) else {
        return Ok(None);
    };
    let (name, inner) = (name.trim(), inner.trim());
    if !NAMES.contains(&name) || inner.is_empty() {
        return Ok(None);
    }
    if depth == DEEPEST {
        return Err(FunctionError::Deep);
    }
    // A regular expression is one argument, commas and parentheses and all.
    if name == "regexp" {
        return expression(unquoted(inner)).map(|regex| Some(Function::Regexp(regex)));
    }
    let parts = arguments(inner)?;
    let bound = |name| match parts[..] {
        [bound] => number(unquoted(bound)),
        _ => Err(FunctionError::Arguments { name, takes: "one number" }),
    };
    Ok(Some(match name {
        "in" => Function::In(parts.into_iter().map(|part| unquoted(part).to_owned()).collect()),
        "gt" => Function::Gt(bound("gt")?),
        "ge" => Function::Ge(bound("ge")?),
        "lt" => Function::Lt(bound("lt")?),
        "le" => Function::Le(bound("le")?),
        "range" => match parts[..] {
            [low, high] => Function::Range(number(unquoted(low))?, number(unquoted(high))?),
            _ => return Err(FunctionError::Arguments { name: "range", takes: "two numbers" }),
        },
        "network" => match parts[..] {
            [one] => block(unquoted(one))?,
            _ => return Err(FunctionError::Arguments { name: "network", takes: "one network" }),
        },
        "and" => Function::And(functions(&parts, depth)?),
        "or" => Function::Or(functions(&parts, depth)?),
        _ => match <[Function; 1]>::try_from(functions(&parts, depth)?) {
            Ok([function]) => Function::Not(Box::new(function)),
            Err(_) => return Err(FunctionError::Arguments { name: "not", takes: "one function" }),
        },
    }))
}

fn functions(parts: &[&str], depth: usize) -> Result<Vec<Function>, FunctionError> {
    let one = |part: &&str| {
        let part = unquoted(part);
        read(part, depth + 1)?.ok_or_else(|| FunctionError::NoFunction(part.to_owned()))
    };
    parts.iter().map(one).collect()
}

/// The parts of a text between commas that are in neither parentheses nor quotes.
fn arguments(text: &str) -> Result<Vec<&str>, FunctionError> {
    let (mut parts, mut start, mut open, mut quote) = (Vec::new(), 0, 0_usize, None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(begun), c) if begun == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(') => open += 1,
            (None, ')') => open = open.checked_sub(1).ok_or(FunctionError::Open)?,
            (None, ',') if open == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            (None, _) => {}
        }
    }
    if open > 0 || quote.is_some() {
        return Err(FunctionError::Open);
    }
    parts.push(text[start..].trim());
    Ok(parts)
}

/// A text without the quotes around it.
fn unquoted(text: &str) -> &str {
    let text = text.trim();
    let inner = |quote| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    inner('\'').or_else(|| inner('"')).unwrap_or(text)
}

fn number(text: &str) -> Result<f64, FunctionError> {
    let number = text.trim().parse::<f64>().ok().filter(|number| !number.is_nan());
    number.ok_or_else(|| FunctionError::Number(text.to_owned()))
}

fn expression(text: &str) -> Result<Regex, FunctionError> {
    RegexBuilder::new(text).size_limit(REGEX).build().map_err(|e| FunctionError::Regexp {
        text: text.to_owned(),
        // The last line says what is wrong, those before draw where.
        reason: e.to_string().lines().last().unwrap_or_default().replace("error: ", ""),
    })
}

fn block(text: &str) -> Result<Function, FunctionError> {
    let wrong = || FunctionError::Network(text.to_owned());
    let (address, bits) = text.split_once('/').unwrap_or((text, ""));
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = if text.contains('/') { bits.parse().map_err(|_| wrong())? } else { most };
    // Bits beyond those that count are passed over, as most tools do.
    network(address, bits).map(|first| Function::Network(first, bits)).ok_or_else(wrong)
}

/// The first address of the network of `bits` bits that has this one; `None` with more bits than there are.
fn network(address: IpAddr, bits: u32) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32_u32.checked_sub(bits)?).unwrap_or(0);
            Some(IpAddr::from((u32::from(address) & mask).to_be_bytes()))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128_u32.checked_sub(bits)?).unwrap_or(0);
            Some(IpAddr::from((u128::from(address) & mask).to_be_bytes()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str, value: &str) -> bool {
        Function::read(text).unwrap().unwrap_or_else(|| panic!("{text} is no function")).holds(value)
    }

    #[test]
    fn each_function_says_what_its_name_says() {
        for (function, yes, no) in [
            ("in(a, 'b,c', \"d)\")", "b,c", "b"),
            ("in(a, 'b,c', \"d)\")", "d)", "'b,c'"),
            ("gt(4)", "4.5", "4"),
            ("ge(4)", "4", "3.9"),
            ("lt(4)", "-1", "4"),
            ("le(2e9)", "2000000000", "2000000001"),
            ("range(1, 3)", "3", "3.1"),
            ("network(10.66.6.0/24)", "10.66.6.255", "10.66.7.0"),
            ("network(10.66.6.9/24)", "10.66.6.1", "::1"),
            ("network(0.0.0.0/0)", "192.168.1.1", "fe80::1"),
            ("network(fd00::/8)", "fd12::1", "10.0.0.1"),
            ("regexp(^sd[a-c]{1,2}$)", "sda", "sdd"),
            ("regexp((a|b),c)", "xb,c", "bc"),
            ("and(gt(4), lt(12))", "5", "12"),
            ("or(in(a,b), gt(4))", "5", "c"),
            ("not(or(in('a)', b), network(10.0.0.0/8)))", "a", "10.1.1.1"),
        ] {
            assert!(holds(function, yes), "{function} of {yes}");
            assert!(!holds(function, no), "{function} of {no}");
        }
    }

    #[test]
    fn a_value_of_another_kind_does_not_fit_and_is_no_error() {
        for (function, value) in
            [("gt(4)", "10 GB"), ("gt(4)", ""), ("lt(4)", "nan"), ("network(10.0.0.0/8)", "10")]
        {
            assert!(!holds(function, value), "{function} of {value}");
        }
    }

    #[test]
    fn what_is_no_call_of_a_function_is_a_text() {
        for text in
            ["gt", "gt()", "gte(4)", "edeploy_test_vm ()", "PowerEdge (SKU=1)", "(4)", "gt(4) ", "regexp( )"]
        {
            assert!(Function::read(text).unwrap().is_none(), "{text}");
        }
    }

    #[test]
    fn arguments_that_cannot_be_are_named() {
        let deep = format!("{}gt(1){}", "not(".repeat(17), ")".repeat(17));
        for (text, says) in [
            ("gt(many)", "many is no number"),
            ("gt(1, 2)", "gt takes one number"),
            ("range(1)", "range takes two numbers"),
            ("network(network/24)", "network/24 is no network such as 10.0.0.0/8"),
            ("network(10.0.0.0/33)", "10.0.0.0/33 is no network such as 10.0.0.0/8"),
            ("and(gt(1), x)", "x is no function"),
            ("not(gt(1), gt(2))", "not takes one function"),
            ("in('a)", "a quote or parenthesis is not closed"),
            ("in(a))", "a quote or parenthesis is not closed"),
            (&deep, "nested deeper than 16"),
        ] {
            assert_eq!(Function::read(text).expect_err(text).to_string(), says);
        }
        let error = Function::read("regexp((?=a))").unwrap_err().to_string();
        assert!(error.starts_with("(?=a) is no regular expression here: look-around"), "{error}");
    }
}
