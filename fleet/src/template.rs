//! Texts with `{{name}}` in them, which stands for the value of a variable.
//!
//! A text is read once, where it is loaded, and expanded as a whole or not at all: an unknown name is an error that says
//! which, in which file and line, and what names there are. A value is put in as it is; what is in it is not looked at
//! again. Between the braces is a name alone, with or without space around it; `{{` without a name is an error.

use std::collections::BTreeMap;

/// What names stand for.
pub type Variables = BTreeMap<String, String>;

/// So many names are told where one is unknown.
const TOLD: usize = 60;
/// Between these is a name.
const OPEN: &str = "{{";
const CLOSE: &str = "}}";

/// A text over variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    file: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Name { name: String, line: usize },
}

/// Why there is no text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A name stands for nothing.
    #[error("{file}:{line}: {{{{{name}}}}} is no variable; there are {known}")]
    Unknown {
        /// Of the text.
        file: String,
        /// Where in it, from 1 on.
        line: usize,
        /// The name.
        name: String,
        /// The names there are.
        known: String,
    },
    /// Braces hold no name.
    #[error("{file}:{line}: {{{{ without a name and }}}} on the same line")]
    Open {
        /// Of the text.
        file: String,
        /// Where in it, from 1 on.
        line: usize,
    },
}

impl Template {
    /// Reads a text that begins on `line` of `file`.
    ///
    /// # Errors
    /// [`TemplateError::Open`].
    pub fn read(text: &str, file: &str, mut line: usize) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(OPEN) {
            line += before.matches('\n').count();
            let open = || TemplateError::Open { file: file.to_owned(), line };
            let (name, after) = after.split_once(CLOSE).ok_or_else(open)?;
            let named = name.trim();
            if named.is_empty() || name.contains(['\n', '{', '}']) {
                return Err(open());
            }
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Name { name: named.to_owned(), line });
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self { file: file.to_owned(), parts })
    }

    /// A text in which braces are braces.
    #[must_use]
    pub fn plain(text: &str, file: &str) -> Self {
        Self { file: file.to_owned(), parts: vec![Part::Text(text.to_owned())] }
    }

    /// The names that are in it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Name { name, .. } => Some(&**name),
        })
    }

    /// Whether it is the same for all variables.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        !self.parts.iter().any(|part| matches!(part, Part::Name { .. }))
    }

    /// Finds a name that stands for nothing.
    ///
    /// # Errors
    /// [`TemplateError::Unknown`].
    pub fn check<'a>(
        &self,
        known: impl Iterator<Item = &'a str> + Clone,
        is_known: impl Fn(&str) -> bool,
    ) -> Result<(), TemplateError> {
        for part in &self.parts {
            match part {
                Part::Name { name, line } if !is_known(name) => {
                    return Err(self.unknown(name, *line, known));
                }
                Part::Name { .. } | Part::Text(_) => {}
            }
        }
        Ok(())
    }

    /// The text with each name's value in place of it.
    ///
    /// # Errors
    /// [`TemplateError::Unknown`].
    pub fn expand(&self, variables: &Variables) -> Result<String, TemplateError> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(part) => text += part,
                Part::Name { name, line } => {
                    let known = || variables.keys().map(String::as_str);
                    text += variables.get(name).ok_or_else(|| self.unknown(name, *line, known()))?;
                }
            }
        }
        Ok(text)
    }

    fn unknown<'a>(&self, name: &str, line: usize, known: impl Iterator<Item = &'a str>) -> TemplateError {
        let mut names: Vec<&str> = known.take(TOLD + 1).collect();
        if names.len() > TOLD {
            names[TOLD] = "…";
        }
        let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        TemplateError::Unknown { file: self.file.clone(), line, name: name.to_owned(), known }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Variables {
        [("ip", "10.0.0.7"), ("host", "web{{ip}}")].map(|(k, v)| (k.to_owned(), v.to_owned())).into()
    }

    fn expanded(text: &str) -> Result<String, String> {
        let template = Template::read(text, "web.toml", 3).map_err(|e| e.to_string())?;
        template.expand(&variables()).map_err(|e| e.to_string())
    }

    #[test]
    fn a_name_stands_for_its_value_and_a_value_is_not_expanded_again() {
        assert_eq!(
            expanded("a {{ip}}/{{ ip }}\n{{host}}}"),
            Ok("a 10.0.0.7/10.0.0.7\nweb{{ip}}}".to_owned())
        );
        assert_eq!(expanded("{a} }} ${b}"), Ok("{a} }} ${b}".to_owned()));
        assert_eq!(expanded(""), Ok(String::new()));
    }

    #[test]
    fn an_unknown_name_is_told_with_file_line_and_the_names_there_are() {
        let says = "web.toml:5: {{gateway}} is no variable; there are host, ip";
        assert_eq!(expanded("{{ip}}\n\n via {{gateway}}"), Err(says.to_owned()));
        let none = Template::read("{{a}}", "f", 1).unwrap().expand(&Variables::new());
        assert_eq!(none.unwrap_err().to_string(), "f:1: {{a}} is no variable; there are none");
    }

    #[test]
    fn many_names_do_not_fill_a_screen() {
        let many: Variables = (0..1000).map(|n| (format!("v{n:03}"), String::new())).collect();
        let error = Template::read("{{a}}", "f", 1).unwrap().expand(&many).unwrap_err().to_string();
        assert!(error.ends_with("v058, v059, …"), "{error}");
    }

    #[test]
    fn braces_without_a_name_are_refused_with_their_line() {
        for text in ["\n{{", "\n{{}}", "\n{{ }}", "\n{{a\n}}", "\n{{a {{ip}}", "\n{{{ip}}"] {
            let says = "web.toml:4: {{ without a name and }} on the same line";
            assert_eq!(expanded(text), Err(says.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn a_plain_text_keeps_its_braces() {
        let plain = Template::plain("{{ ansible }}", "f");
        assert!(plain.is_plain() && !Template::read("{{a}}", "f", 1).unwrap().is_plain());
        assert_eq!(plain.expand(&Variables::new()), Ok("{{ ansible }}".to_owned()));
    }
}
