//! `export`: the tokens that are watched, as a list that `import` reads back.

use std::collections::HashMap;

use clap::ValueEnum;

use crate::cli::{Context, Exit, Failure, list};
use crate::clock;
use crate::domain::lifecycle::State;
use crate::renewal::export::{COLUMNS, Row};
use crate::renewal::import::Column;
use crate::store::outbox::Person;
use crate::store::record::Token;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The form of the list
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// A table
    Csv,
    /// A JSON object a line
    Json,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    let view = list::view(&config, context, clock::now()).await?;
    let tokens: Vec<Token> = view
        .store
        .tokens()
        .await?
        .into_iter()
        .filter(|t| t.state == State::Active)
        .collect();
    let numbers: Vec<i64> = tokens.iter().map(|t| t.no).collect();
    let people = view.store.people(&numbers).await?;
    let mut of_token: HashMap<i64, Vec<&Person>> = HashMap::new();
    for person in &people {
        of_token.entry(person.token).or_default().push(person);
    }
    let rows = tokens.iter().map(|t| {
        let people = of_token.get(&t.no).map_or(&[][..], Vec::as_slice);
        Row::new(t, people, &config.calendar)
    });
    if context.out.json {
        context
            .out
            .data("export", rows.map(|r| r.json()).collect())?;
        return Ok(Exit::Done);
    }
    match args.format {
        Format::Json => {
            for row in rows {
                context.out.line(&row.json().to_string())?;
            }
        }
        Format::Csv => {
            let mut table = csv::Writer::from_writer(Vec::new());
            let written = table.write_record(COLUMNS.map(Column::name));
            written.map_err(|e| Failure::unexpected(&e.to_string()))?;
            for row in rows {
                let written = table.write_record(row.cells());
                written.map_err(|e| Failure::unexpected(&e.to_string()))?;
            }
            let bytes = table.into_inner();
            let bytes = bytes.map_err(|e| Failure::unexpected(&e.to_string()))?;
            context.out.bytes(&bytes)?;
        }
    }
    Ok(Exit::Done)
}
