use std::process::ExitCode;

use clap::Parser;
use sternpost_load::options::Options;
use sternpost_load::rows::Rows;

fn main() -> ExitCode {
    let options = Options::parse();
    match options.refuse().and_then(|()| sternpost_load::run(&options, &Rows::read(&options.rows)?)) {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(said) => {
            eprintln!("sternpost-load: {said}");
            ExitCode::FAILURE
        }
    }
}
