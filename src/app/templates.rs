//! The templates of a configuration: the built-in ones, and those that a person puts in their place.

use std::path::Path;

use crate::app::SetupError;
use crate::config::Config;
use crate::delivery::compose::Templates;

/// The templates of a configuration. Those of a person are tried out at once, every text of
/// them; the built-in ones cannot fail in the field, and [`proven_templates`] tries them too.
///
/// # Errors
/// A file that cannot be read, and every template that fails.
pub fn templates(config: &Config) -> Result<Templates, SetupError> {
    match &config.mail.templates {
        None => Ok(Templates::built_in()),
        Some(_) => proven_templates(config),
    }
}

/// The templates of a configuration, every text tried out.
///
/// # Errors
/// As [`templates`].
pub fn proven_templates(config: &Config) -> Result<Templates, SetupError> {
    let files = match &config.mail.templates {
        None => Vec::new(),
        Some(directory) => read_templates(directory)?,
    };
    let templates =
        Templates::with_overrides(files.into_iter()).map_err(|e| SetupError::Templates(vec![e]))?;
    templates
        .proof(&config.calendar)
        .map_err(SetupError::Templates)?;
    Ok(templates)
}

/// The files below a template directory, named by their path from it.
fn read_templates(directory: &Path) -> Result<Vec<(String, String)>, SetupError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| SetupError::TemplateFile { path, error }
    };
    let (mut files, mut pending) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(at) = pending.pop() {
        for entry in std::fs::read_dir(&at).map_err(failed(&at))? {
            let path = entry.map_err(failed(&at))?.path();
            if path.is_dir() {
                pending.push(path);
            } else if let Ok(name) = path.strip_prefix(directory)
                && !name.to_string_lossy().starts_with('.')
            {
                let source = std::fs::read_to_string(&path).map_err(failed(&path))?;
                files.push((name.to_string_lossy().replace('\\', "/"), source));
            }
        }
    }
    files.sort();
    Ok(files)
}
