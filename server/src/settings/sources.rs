//! Where each setting comes from.

use toml::Table;

use super::SettingsError;

/// A setting with its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    pub name: &'static str,
    pub text: String,
    pub from: String,
}

impl Chosen {
    /// Reads the value; an error says where it was set.
    pub fn read<T>(&self, read: impl Fn(&str) -> Result<T, String>) -> Result<T, SettingsError> {
        read(self.text.trim()).map_err(|why| SettingsError::Value {
            name: self.name,
            from: self.from.clone(),
            value: self.text.clone(),
            why,
        })
    }
}

/// The file, and what has been taken from where.
pub(super) struct Sources<'a> {
    file: Table,
    path: String,
    environment: &'a dyn Fn(&str) -> Option<String>,
    told: Vec<(&'static str, String, String)>,
}

impl<'a> Sources<'a> {
    pub fn new(
        path: Option<&str>,
        environment: &'a dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        let path = path.unwrap_or_default().to_owned();
        let file = if path.is_empty() {
            Table::new()
        } else {
            read(&path)?
        };
        Ok(Self {
            file,
            path,
            environment,
            told: Vec::new(),
        })
    }

    /// Flag or environment, else the file, else the default. clap has put both of the first into one;
    /// which it was is told by the environment.
    pub fn take(&mut self, name: &'static str, given: Option<String>, default: &str) -> Chosen {
        let variable = format!("ELB_{}", name.to_uppercase());
        let in_file = self.file.get(name).map(|value| match value {
            toml::Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        let (text, from) = match (given, in_file) {
            (Some(text), _) if (self.environment)(&variable).as_deref() == Some(&text) => {
                (text, variable)
            }
            (Some(text), _) => (text, format!("--{}", name.replace('_', "-"))),
            (None, Some(text)) => (text, self.path.clone()),
            (None, None) => (default.to_owned(), "default".to_owned()),
        };
        self.told.push((name, text.clone(), from.clone()));
        Chosen { name, text, from }
    }

    /// The same for a value that must not be shown.
    pub fn take_secret(&mut self, name: &'static str, given: Option<String>) -> Chosen {
        let chosen = self.take(name, given, "");
        if let Some((_, shown, _)) = self.told.last_mut().filter(|_| !chosen.text.is_empty()) {
            "(set, not shown)".clone_into(shown);
        }
        chosen
    }

    /// Everything that was taken; a name in the file that nobody has taken is no setting.
    pub fn told(self) -> Result<Vec<(&'static str, String, String)>, SettingsError> {
        let mut names = self.told.iter().map(|(name, _, _)| *name);
        let unknown = self
            .file
            .keys()
            .find(|key| !names.clone().any(|name| name == key.as_str()));
        if let Some(unknown) = unknown {
            let known: Vec<&str> = names.by_ref().collect();
            return Err(SettingsError::File {
                path: self.path,
                why: format!(
                    "there is no setting \"{unknown}\"; there are {}",
                    known.join(", ")
                ),
            });
        }
        Ok(self.told)
    }
}

fn read(path: &str) -> Result<Table, SettingsError> {
    let error = |why: String| SettingsError::File {
        path: path.to_owned(),
        why,
    };
    let text =
        std::fs::read_to_string(path).map_err(|why| error(format!("it cannot be read: {why}")))?;
    let table: Table = toml::from_str(&text).map_err(|why| error(why.to_string()))?;
    let plain = |value: &toml::Value| {
        matches!(
            value,
            toml::Value::String(_) | toml::Value::Integer(_) | toml::Value::Boolean(_)
        )
    };
    if let Some((name, _)) = table.iter().find(|(_, value)| !plain(value)) {
        return Err(error(format!(
            "{name} must be text in quotes, a whole number, true or false; folders are separated by colons"
        )));
    }
    Ok(table)
}
